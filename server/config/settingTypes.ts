import { z } from 'zod';

/** The parsed values of a section's settings. */
export type SettingsOf<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape>>;

// Hosting panels and `.env` files cannot remove a variable, only empty it.
const emptyIsUnset = (value: unknown) => (value === '' ? undefined : value);

/**
 * Reads digits. `Number` also reads 0x10 and 1e3, and reads blanks as 0, which would switch off a
 * limit.
 */
function readDigits(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const digits = value.trim();
  if (digits === '') return undefined;
  return /^-?\d+$/.test(digits) ? Number(digits) : Number.NaN;
}

/** A whole number with a default. */
export const integer = (fallback: number, min: number, max: number) =>
  z.preprocess(readDigits, z.number().int().min(min).max(max).default(fallback));

/** A whole number; undefined if it is unset. */
export const optionalInteger = (min: number, max: number) =>
  z.preprocess(readDigits, z.number().int().min(min).max(max).optional());

/** Any text; undefined if it is unset. */
export const text = () => z.preprocess(emptyIsUnset, z.string().optional());

/** Any text, with a default. */
export const textOr = (fallback: string) =>
  z.preprocess(emptyIsUnset, z.string().default(fallback));

/** One of these words; undefined if it is unset. */
export const word = <const Words extends readonly string[]>(words: Words) =>
  z.preprocess(emptyIsUnset, z.enum(words).optional());

/** One of these words, with a default. */
export const wordOr = <const Words extends readonly string[]>(
  fallback: NoInfer<Words[number]>,
  words: Words,
) => z.preprocess(emptyIsUnset, z.enum(words).default(fallback));

/** A boolean; undefined if it is unset. */
export const flag = () =>
  z.preprocess(
    emptyIsUnset,
    z
      .enum(['true', 'false', '1', '0'])
      .optional()
      .transform((value) => (value === undefined ? undefined : value === 'true' || value === '1')),
  );

/** Splits a list at its commas, and drops the spaces around its parts and the empty parts. */
export const splitNames = (value: string | undefined): string[] =>
  (value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

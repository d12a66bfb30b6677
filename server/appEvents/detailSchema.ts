import { z } from 'zod';
import { storableText } from '../http/routeTable';
import { boundedArray } from './boundedArray';
import { namedRecord } from './namedRecord';

/** Names that look like secrets. They are compared without separators and case. */
const SECRET =
  /passw|passphrase|pwd|secret|token|authorization|bearer|cookie|credential|apikey|accesskey|privatekey|signingkey|jwt|otp$|^pin$|cvv|cvc|cardnumber/;
const looksSecret = (name: string) => SECRET.test(name.replaceAll('_', '').toLowerCase());

const fieldName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_]{0,39}$/,
    'must be 1 to 40 letters, digits and _, beginning with a letter',
  )
  .refine((name) => !(name in {}), 'is a name that JavaScript uses itself')
  .refine(
    (name) => !looksSecret(name),
    'looks like the name of a secret. No secret may be in an event: leave the field out',
  );

const description = storableText(200).optional();
const whole = z.int();
const text = z.strictObject({
  type: z.literal('string'),
  maxLength: whole.min(1).max(1000),
  description,
});
const choice = z.strictObject({
  type: z.literal('string'),
  enum: boundedArray(storableText(100), 100, 1),
  description,
});
const formatted = z.strictObject({
  type: z.literal('string'),
  format: z.enum(['uuid', 'date', 'date-time']),
  description,
});
const integer = z.strictObject({
  type: z.literal('integer'),
  minimum: whole,
  maximum: whole,
  description,
});
const boolean = z.strictObject({ type: z.literal('boolean'), description });

const TEXTS =
  'a text needs one of maxLength (at most 1000), enum and format (uuid, date, date-time)';
const scalar = z.union([text, choice, formatted, integer, boolean], {
  error: `must be a string, an integer with minimum and maximum, or a boolean; ${TEXTS}`,
});
const list = z.strictObject({
  type: z.literal('array'),
  items: scalar,
  maxItems: whole.min(1).max(50),
  description,
});

const MOST_FIELDS = 50;
const objectOf = <Field extends z.ZodType>(field: Field) =>
  z
    .strictObject({
      type: z.literal('object'),
      properties: namedRecord(fieldName, field),
      required: boundedArray(fieldName, MOST_FIELDS).optional(),
      additionalProperties: z.literal(false).optional(),
      description,
    })
    .refine(({ properties }) => Object.keys(properties).length <= MOST_FIELDS, {
      message: `must have at most ${MOST_FIELDS} fields`,
      path: ['properties'],
    })
    .refine(
      ({ properties, required = [] }) => required.every((name) => Object.hasOwn(properties, name)),
      { message: 'must list fields of properties', path: ['required'] },
    );

const field = z.union([text, choice, formatted, integer, boolean, list, objectOf(scalar)], {
  error: `must be a string, an integer with minimum and maximum, a boolean, an array of these with maxItems (at most 50), or an object of these; ${TEXTS}`,
});

/**
 * The schema of a schema of details: the part of JSON Schema that leaves no room for what nobody
 * has declared. An object has no other fields than its own, and each text has a limit.
 */
export const detailSchema = objectOf(field);

export type DetailSchema = z.output<typeof detailSchema>;
export type DetailField = z.output<typeof field>;

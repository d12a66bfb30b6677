import { canonicalJson } from '../tlog/canonicalJson';
import type { Json } from '../tlog/canonicalJson';
import { HASH_BYTES } from '../tlog/merkleTree';

/** Thrown if a JSON text does not have the expected form; `message` names the member. */
export class FormError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormError';
  }
}

const HASH = /^[A-Za-z0-9+/]{43}=$/;

/** Reads a hash in base64. Only its one canonical spelling is accepted. */
export function parseHash(text: string): Buffer | undefined {
  if (!HASH.test(text)) return undefined;
  const hash = Buffer.from(text, 'base64');
  return hash.length === HASH_BYTES && hash.toString('base64') === text ? hash : undefined;
}

/** The members of a JSON object. Each method reads one of them and checks its type. */
export class Members {
  private constructor(
    private readonly value: Readonly<Record<string, unknown>>,
    private readonly where: string,
  ) {}

  /** @throws FormError if the value is no object */
  static of(value: unknown, where = ''): Members {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return new Members(value as Record<string, unknown>, where);
    }
    throw new FormError(`${where === '' ? 'it' : where} should be an object`);
  }

  private fail(name: string, what: string): never {
    throw new FormError(`${this.where}${name} should be ${what}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.value, name);
  }

  isNull(name: string): boolean {
    return this.value[name] === null;
  }

  text(name: string, form = /^/, what = 'a text'): string {
    const value = this.value[name];
    return typeof value === 'string' && form.test(value) ? value : this.fail(name, what);
  }

  /** Returns a whole number that is at least `least`. */
  count(name: string, least = 0): number {
    const value = this.value[name];
    const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= least;
    return isCount ? value : this.fail(name, 'a whole number');
  }

  hash(name: string): Buffer {
    return parseHash(this.text(name)) ?? this.fail(name, 'a hash in base64');
  }

  object(name: string): Members {
    return Members.of(this.value[name], `${this.where}${name}.`);
  }

  list(name: string): readonly unknown[] {
    const value = this.value[name];
    return Array.isArray(value) ? (value as unknown[]) : this.fail(name, 'a list');
  }

  objects(name: string): Members[] {
    return this.list(name).map((one, index) => Members.of(one, `${this.where}${name}[${index}].`));
  }

  texts(name: string): string[] {
    return this.list(name).map((one) => (typeof one === 'string' ? one : this.fail(name, 'texts')));
  }

  hashes(name: string): Buffer[] {
    return this.texts(name).map((one) => parseHash(one) ?? this.fail(name, 'hashes in base64'));
  }
}

/**
 * Reads a text that is one line in the canonical form of RFC 8785. That form is unique, so no other
 * program reads it differently.
 * @throws FormError if the text has another form
 */
export function parseCanonical(bytes: Buffer): Members {
  const text = decodeText(bytes);
  let value: Json | undefined;
  try {
    value = text === undefined ? undefined : (JSON.parse(text) as Json);
  } catch {
    // Reported below.
  }
  if (value === undefined) throw new FormError('it is no JSON');
  if (canonicalJson(value) !== text)
    throw new FormError('it is not in the canonical form of RFC 8785');
  return Members.of(value);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns the text, or undefined if the bytes are not UTF-8 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

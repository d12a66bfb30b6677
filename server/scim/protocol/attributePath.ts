import { isAtEnd, readLiteral, readWord, skipSpaces, take } from './textCursor';
import type { TextCursor } from './textCursor';

/** The longest path or name that is read. */
const MOST_LENGTH = 400;
const CORE_USER = 'urn:ietf:params:scim:schemas:core:2.0:user:';
const EXTENSION = /^urn:[A-Za-z0-9:._$-]+$/;

/** A path of RFC 7644, figure 7, in lower case: `emails[type eq "work"].value`. */
export interface AttributePath {
  readonly attribute: string;
  /** The part after the dot. */
  readonly sub?: string;
  /** The comparison in brackets. */
  readonly only?: { readonly attribute: string; readonly value: string | boolean };
}

/** Reads `name eq literal`, or returns undefined. */
function readBrackets(cursor: TextCursor): AttributePath['only'] | undefined {
  skipSpaces(cursor);
  const attribute = readWord(cursor).toLowerCase();
  const spaced = skipSpaces(cursor);
  const operator = readWord(cursor).toLowerCase();
  if (attribute === '' || !spaced || operator !== 'eq' || !skipSpaces(cursor)) return undefined;
  const value = readLiteral(cursor);
  skipSpaces(cursor);
  return value === undefined || !take(cursor, ']') ? undefined : { attribute, value };
}

/** Skips the name of the core schema: `urn:…:User:userName` is `userName`. */
function skipCoreSchema(cursor: TextCursor): void {
  const start = cursor.text.slice(cursor.at, cursor.at + CORE_USER.length);
  if (start.toLowerCase() === CORE_USER) cursor.at += CORE_USER.length;
}

/**
 * Reads an attribute path where the cursor is, and moves the cursor behind it. Names may be in upper
 * or lower case (RFC 7643 2.1).
 * @returns undefined if there is none
 */
export function readPath(cursor: TextCursor): AttributePath | undefined {
  skipCoreSchema(cursor);
  const attribute = readWord(cursor).toLowerCase();
  if (!/^[a-z$]/.test(attribute)) return undefined;
  const only = take(cursor, '[') ? readBrackets(cursor) : null;
  if (only === undefined) return undefined;
  const sub = take(cursor, '.') ? readWord(cursor).toLowerCase() : null;
  if (sub === '') return undefined;
  return { attribute, ...(sub === null ? {} : { sub }), ...(only === null ? {} : { only }) };
}

/**
 * Parses the path of an operation, or the name of a member of a body.
 * @returns `extension` for an attribute of another schema; undefined for text that is no path
 */
export function parsePath(text: string): AttributePath | 'extension' | undefined {
  if (text.length > MOST_LENGTH) return undefined;
  const cursor = { text, at: 0 };
  const path = readPath(cursor);
  if (path && isAtEnd(cursor)) return path;
  const isCore = text.toLowerCase().startsWith(CORE_USER);
  return !isCore && EXTENSION.test(text) ? 'extension' : undefined;
}

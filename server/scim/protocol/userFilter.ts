import { readPath } from './attributePath';
import type { AttributePath } from './attributePath';
import { refuseScim } from './scimRefusals';
import { isAtEnd, readLiteral, readWord, skipSpaces } from './textCursor';
import type { TextCursor } from './textCursor';

const MOST_LENGTH = 1000;
const MOST_CONDITIONS = 10;

/** One comparison of a filter. All comparisons of a filter must hold. */
export type UserCondition =
  | { readonly field: 'id' | 'userName' | 'externalId' | 'email'; readonly value: string }
  | { readonly field: 'active'; readonly value: boolean };

const TEXT_FIELDS = new Map<string, 'id' | 'userName' | 'externalId'>([
  ['id', 'id'],
  ['username', 'userName'],
  ['externalid', 'externalId'],
]);

const unsupported = () =>
  refuseScim(
    'invalidFilter',
    'Filters compare userName, externalId, id, active or emails.value by eq, joined by and.',
  );

/** Returns whether a path names the address of a user. Only the work address is kept. */
export const isEmailValue = ({ sub, only }: AttributePath): boolean =>
  (sub === undefined || sub === 'value') &&
  (only === undefined ||
    (only.attribute === 'type' &&
      typeof only.value === 'string' &&
      only.value.toLowerCase() === 'work') ||
    (only.attribute === 'primary' && only.value === true));

function toCondition(path: AttributePath, value: string | boolean): UserCondition {
  const { attribute, sub, only } = path;
  if (attribute === 'emails' && isEmailValue(path) && typeof value === 'string') {
    return { field: 'email', value };
  }
  if (sub !== undefined || only !== undefined) throw unsupported();
  if (attribute === 'active' && typeof value === 'boolean') return { field: 'active', value };
  const field = TEXT_FIELDS.get(attribute);
  if (!field || typeof value !== 'string') throw unsupported();
  return { field, value };
}

function readCondition(cursor: TextCursor): UserCondition {
  const path = readPath(cursor);
  if (!path || !skipSpaces(cursor)) throw unsupported();
  if (readWord(cursor).toLowerCase() !== 'eq' || !skipSpaces(cursor)) throw unsupported();
  const value = readLiteral(cursor);
  if (value === undefined) throw unsupported();
  return toCondition(path, value);
}

/**
 * Parses the filter of a list (RFC 7644 3.4.2.2), as Okta and Entra send it. It is read once from
 * left to right.
 * @throws AppError SCIM_INVALID with `invalidFilter` for any other filter
 */
export function parseUserFilter(text: string): UserCondition[] {
  if (text.length > MOST_LENGTH) throw unsupported();
  const cursor = { text, at: 0 };
  const conditions: UserCondition[] = [];
  skipSpaces(cursor);
  for (;;) {
    conditions.push(readCondition(cursor));
    const spaced = skipSpaces(cursor);
    if (isAtEnd(cursor)) return conditions;
    if (!spaced || conditions.length >= MOST_CONDITIONS) throw unsupported();
    if (readWord(cursor).toLowerCase() !== 'and' || !skipSpaces(cursor)) throw unsupported();
  }
}

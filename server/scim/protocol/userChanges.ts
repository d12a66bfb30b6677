import type { AttributePath } from './attributePath';
import { parsePath } from './attributePath';
import { refuseScim } from './scimRefusals';
import { isEmailValue } from './userFilter';

/** The texts of a user that a directory may set and clear. */
export const TEXT_FIELDS = [
  'externalId',
  'displayName',
  'givenName',
  'familyName',
  'formattedName',
  'email',
] as const;
export type TextField = (typeof TEXT_FIELDS)[number];

/** What a directory has said about a user. */
export type DirectoryUser = { userName: string; active: boolean } & Record<
  TextField,
  string | null
>;

/** One thing that a request changes. Every request becomes a list of them before anything is done. */
export type UserChange =
  | { readonly field: 'userName'; readonly value: string }
  | { readonly field: 'active'; readonly value: boolean }
  | { readonly field: TextField; readonly value: string | null };

const MOST_TEXT = 254;
const MOST_MEMBERS = 100;
const MOST_ADDRESSES = 20;

const SIMPLE = new Map<string, 'userName' | 'active' | TextField>([
  ['username', 'userName'],
  ['active', 'active'],
  ['externalid', 'externalId'],
  ['displayname', 'displayName'],
]);
const NAMES = new Map<string, TextField>([
  ['givenname', 'givenName'],
  ['familyname', 'familyName'],
  ['formatted', 'formattedName'],
]);
const UNUSED_NAMES = new Set(['middlename', 'honorificprefix', 'honorificsuffix']);
/** Attributes of RFC 7643 4.1 that are accepted and not kept. A password never is. */
const UNUSED = new Set([
  'nickname',
  'profileurl',
  'title',
  'usertype',
  'preferredlanguage',
  'locale',
  'timezone',
  'password',
  'phonenumbers',
  'ims',
  'photos',
  'addresses',
  'groups',
  'entitlements',
  'roles',
  'x509certificates',
]);
/** Attributes that the server alone writes. */
const READ_ONLY = new Set(['id', 'meta', 'schemas']);

/** Returns whether a value is a JSON object. */
export const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Returns the members of an object by their names in lower case. It never uses a name as the key of
 * an object, so a name such as `__proto__` is a name like any other.
 * @throws AppError SCIM_INVALID if a name occurs twice: two readers could choose differently
 */
export function membersOf(value: object): Map<string, { name: string; value: unknown }> {
  const entries = Object.entries(value);
  const members = new Map(
    entries.map(([name, inside]) => [name.toLowerCase(), { name, value: inside as unknown }]),
  );
  if (entries.length > MOST_MEMBERS || members.size < entries.length) {
    throw refuseScim('invalidSyntax', 'Each attribute may be given once, and 100 at most.');
  }
  return members;
}

/** Entra can send a single value as a list with one object. */
function unwrap(value: unknown): unknown {
  if (!Array.isArray(value) || value.length !== 1) return value;
  const [only] = value as unknown[];
  return isObject(only) ? (membersOf(only).get('value')?.value ?? value) : value;
}

function readText(name: string, given: unknown): string | null {
  const value = unwrap(given);
  if (value === null || value === '') return null;
  const fits = typeof value === 'string' && value.length <= MOST_TEXT;
  if (fits && value.isWellFormed() && !value.includes('\0')) return value;
  throw refuseScim('invalidValue', `${name} must be a text of at most ${MOST_TEXT} characters.`);
}

function readUserName(given: unknown): string {
  const text = readText('userName', given);
  if (text === null) throw refuseScim('invalidValue', 'userName must not be empty.');
  return text;
}

/** Entra sends `"False"` and `"True"` as texts. */
function readActive(given: unknown): boolean {
  const value = unwrap(given);
  const word = typeof value === 'string' ? value.toLowerCase() : value;
  if (word === true || word === 'true') return true;
  if (word === false || word === 'false') return false;
  throw refuseScim('invalidValue', 'active must be true or false.');
}

function readSimple(field: 'userName' | 'active' | TextField, value: unknown): UserChange {
  if (field === 'active') return { field, value: readActive(value) };
  if (field === 'userName') return { field, value: readUserName(value) };
  return { field, value: readText(field, value) };
}

function readName(value: unknown): UserChange[] {
  if (value === null) return [...NAMES.values()].map((field) => ({ field, value: null }));
  if (!isObject(value)) throw refuseScim('invalidValue', 'name must be an object.');
  return [...membersOf(value)].flatMap(([name, member]) => {
    const field = NAMES.get(name);
    return field ? [{ field, value: readText(`name.${field}`, member.value) }] : [];
  });
}

/** Reads the address of one entry of `emails`, and how well it fits: only one address is kept. */
function readAddress(entry: unknown): { rank: number; value: string | null } {
  if (!isObject(entry)) throw refuseScim('invalidValue', 'emails must be a list of objects.');
  const members = membersOf(entry);
  const type = members.get('type')?.value;
  const isWork = typeof type === 'string' && type.toLowerCase() === 'work';
  const rank = members.get('primary')?.value === true ? 2 : isWork ? 1 : 0;
  return { rank, value: readText('emails.value', members.get('value')?.value ?? null) };
}

function readEmails(value: unknown): UserChange[] {
  if (value === null) return [{ field: 'email', value: null }];
  const list = Array.isArray(value) ? (value as unknown[]) : [value];
  if (list.length > MOST_ADDRESSES) {
    throw refuseScim('invalidValue', `A user has at most ${MOST_ADDRESSES} addresses.`);
  }
  const read = list.map(readAddress).sort((one, other) => other.rank - one.rank);
  return [{ field: 'email', value: read[0]?.value ?? null }];
}

const noSuchPath = (name: string) =>
  refuseScim('invalidPath', `There is no attribute ${name.slice(0, 60)}.`);

/** Changes of `emails`. Entra changes one part: `emails[type eq "work"].value`. */
function ofEmails(path: AttributePath, value: unknown): UserChange[] {
  const { sub, only } = path;
  if (!isEmailValue(path)) return [];
  if (sub === undefined && (only === undefined || isObject(value))) return readEmails(value);
  return [{ field: 'email', value: readText('emails.value', value) }];
}

/**
 * Returns the changes that a value at a path makes; none for attributes that are not kept.
 * @param name the path as it was sent, for the error
 * @throws AppError SCIM_INVALID: `invalidPath`, `invalidValue`; `mutability` for what the server writes
 */
export function changesAt(name: string, value: unknown): UserChange[] {
  const path = parsePath(name);
  if (path === 'extension') return [];
  if (!path) throw noSuchPath(name);
  const { attribute, sub, only } = path;
  if (attribute === 'emails') return ofEmails(path, value);
  if (UNUSED.has(attribute)) return [];
  if (READ_ONLY.has(attribute)) {
    throw refuseScim('mutability', `Only the server sets ${attribute}.`);
  }
  if (only !== undefined) throw noSuchPath(name);
  if (attribute === 'name') {
    if (sub === undefined) return readName(value);
    const part = NAMES.get(sub);
    if (part) return [{ field: part, value: readText(name, value) }];
    if (UNUSED_NAMES.has(sub)) return [];
    throw noSuchPath(name);
  }
  const field = SIMPLE.get(attribute);
  if (!field || sub !== undefined) throw noSuchPath(name);
  return [readSimple(field, value)];
}

/**
 * Returns the changes that a whole user in the body of POST or PUT makes. Attributes that are not
 * in it stay, and those that are not known are ignored (RFC 7644 3.5.1 and 3.3).
 * @throws AppError SCIM_INVALID
 */
export function changesOfUser(body: object): UserChange[] {
  const changes: UserChange[] = [];
  for (const [lower, { name, value }] of membersOf(body)) {
    const isKept = SIMPLE.has(lower) || lower === 'name' || lower === 'emails';
    if (isKept) changes.push(...changesAt(name, value));
  }
  return changes;
}

/** Applies changes in their order, and returns the result with the names of what differs. */
export function applyChanges(
  before: DirectoryUser,
  changes: readonly UserChange[],
): { after: DirectoryUser; changed: (keyof DirectoryUser)[] } {
  const after = changes.reduce<DirectoryUser>(
    (user, { field, value }) => ({ ...user, [field]: value }),
    before,
  );
  const names = ['userName', 'active', ...TEXT_FIELDS] as const;
  return { after, changed: names.filter((name) => before[name] !== after[name]) };
}

import { AppError } from '../../errors';
import { parsePath } from './attributePath';
import { refuseScim } from './scimRefusals';
import { changesAt, isObject, membersOf } from './userChanges';
import type { UserChange } from './userChanges';

const MOST_OPERATIONS = 100;

/** Whether an attribute always has a value. */
const mustStay = (name: string): boolean => {
  const path = parsePath(name);
  return typeof path === 'object' && ['active', 'username'].includes(path.attribute);
};

function removed(path: string | undefined): UserChange[] {
  if (path === undefined) throw refuseScim('noTarget', 'A remove operation needs a path.');
  if (mustStay(path)) throw refuseScim('mutability', 'active and userName cannot be removed.');
  return changesAt(path, null);
}

/** Okta sends the attributes of an operation as an object without a path. */
function changesWithoutPath(value: unknown): UserChange[] {
  if (!isObject(value)) {
    throw refuseScim('invalidValue', 'An operation without a path needs an object as its value.');
  }
  return [...membersOf(value).values()].flatMap((member) => changesAt(member.name, member.value));
}

function changesOfOperation(operation: unknown): UserChange[] {
  if (!isObject(operation)) throw refuseScim('invalidSyntax', 'An operation must be an object.');
  const members = membersOf(operation);
  const op = members.get('op')?.value;
  const path = members.get('path')?.value ?? undefined;
  if (path !== undefined && typeof path !== 'string') {
    throw refuseScim('invalidPath', 'The path of an operation must be a text.');
  }
  const value = members.get('value')?.value;
  switch (typeof op === 'string' ? op.toLowerCase() : '') {
    case 'remove':
      return removed(path);
    case 'add':
    case 'replace':
      if (value === undefined) throw refuseScim('invalidValue', 'The operation needs a value.');
      return path === undefined ? changesWithoutPath(value) : changesAt(path, value);
    default:
      throw refuseScim('invalidSyntax', 'op must be add, replace or remove.');
  }
}

/**
 * Returns the changes that the body of a PATCH makes (RFC 7644 3.5.2), in the dialects of Okta and
 * Entra: `op` in any case, with or without a path.
 * @throws AppError SCIM_INVALID; PAYLOAD_TOO_LARGE for more than 100 operations
 */
export function changesOfPatch(body: object): UserChange[] {
  const operations = membersOf(body).get('operations')?.value;
  if (!Array.isArray(operations) || operations.length === 0) {
    throw refuseScim('invalidSyntax', 'A PATCH needs a list of Operations.');
  }
  if (operations.length > MOST_OPERATIONS) {
    const detail = `A PATCH has at most ${MOST_OPERATIONS} operations.`;
    throw new AppError('PAYLOAD_TOO_LARGE', { detail });
  }
  return (operations as unknown[]).flatMap(changesOfOperation);
}

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { OWN_PERMISSION } from '../permissions';
import type { DeclaredPermission } from './permissionStore';
import { oneLine } from './roleInput';

/** A file of permissions that cannot be used; the message has one sentence for each fault. */
export class PermissionsFileError extends Error {
  constructor(path: string, faults: readonly string[]) {
    super(`${path} cannot be used: ${faults.join(' ')}`);
    this.name = 'PermissionsFileError';
  }
}

/** With the built-in ones, they fit into the list of a member. */
const MOST_DECLARED = 150;

const entry = z.strictObject({
  description: oneLine(200, 1),
  privileged: z.boolean().default(false),
});

const DEMANDS: Readonly<Record<string, string>> = {
  description: 'description must be one line of 1 to 200 characters',
  privileged: 'privileged must be true or false',
};

function faultsOf(name: string, value: unknown): string[] {
  if (!OWN_PERMISSION.test(name)) {
    return [
      `"${name}" is not a name: it must be app: and 1 to 60 of a-z, 0-9, ".", "_" and "-", beginning with a letter or a digit.`,
    ];
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [`"${name}" must be an object such as { "description": "delete projects" }.`];
  }
  const unknown = Object.keys(value).filter((field) => !Object.hasOwn(DEMANDS, field));
  const parsed = entry.safeParse(value);
  const wrong = parsed.success ? [] : parsed.error.issues.map(({ path }) => String(path[0] ?? ''));
  return [
    ...unknown.map((field) => `"${name}" has an unknown field "${field}".`),
    ...[...new Set(wrong)].flatMap((field) =>
      Object.hasOwn(DEMANDS, field) ? [`"${name}": ${DEMANDS[field]}.`] : [],
    ),
  ];
}

/**
 * Reads a file that declares the team's own permissions.
 * @returns the permissions, ordered by name
 * @throws PermissionsFileError if it cannot be read, or is not such a file
 */
export async function readPermissionsFile(path: string): Promise<DeclaredPermission[]> {
  const fail = (...faults: string[]) => new PermissionsFileError(path, faults);
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw fail(`it cannot be read (${error.code ?? 'no reason given'}).`);
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch {
    throw fail('it is not JSON.');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw fail('it must be an object with the name of each permission as a key.');
  }
  const entries = Object.entries(parsed as Record<string, unknown>);
  const faults = entries.flatMap(([name, value]) => faultsOf(name, value));
  if (entries.length > MOST_DECLARED) {
    faults.push(`it has ${entries.length} permissions; at most ${MOST_DECLARED} are possible.`);
  }
  if (faults.length > 0) throw fail(...faults);
  return entries
    .map(([name, value]) => ({ name, ...entry.parse(value) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

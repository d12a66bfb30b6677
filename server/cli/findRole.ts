import { listRoles } from '../tenants';
import type { ListedRole } from '../tenants';
import { CommandError } from './commandError';
import type { Operator } from './operatorContext';

/** An id counts first: a tenant may have named a role like the id of another one. */
function findByWord(roles: readonly ListedRole[], word: string): ListedRole | undefined {
  const wanted = word.toLowerCase();
  return (
    roles.find(({ id }) => id === wanted) ?? roles.find(({ name }) => name.toLowerCase() === wanted)
  );
}

/**
 * Returns the ids of roles that a command names by id or by name, in any case.
 * @throws CommandError if there is no such role; it lists those of the tenant
 */
export async function rolesNamed(
  { deps }: Operator,
  tenantId: string,
  words: readonly string[],
): Promise<string[]> {
  return (await findNamed(deps.db, tenantId, words)).map(({ id }) => id);
}

/**
 * Returns the one role that a command names.
 * @throws CommandError if there is no such role
 */
export async function roleNamed(
  { deps }: Operator,
  tenantId: string,
  word: string,
): Promise<ListedRole> {
  const [role] = await findNamed(deps.db, tenantId, [word]);
  if (!role) throw new CommandError(`There is no role '${word}'.`);
  return role;
}

async function findNamed(
  db: Operator['deps']['db'],
  tenantId: string,
  words: readonly string[],
): Promise<ListedRole[]> {
  if (words.length === 0) return [];
  const roles = await listRoles(db, tenantId);
  return words.map((word) => {
    const role = findByWord(roles, word);
    if (role) return role;
    const names = roles.map(({ id, name, builtIn }) => (builtIn ? id : name));
    throw new CommandError(`There is no role '${word}'. The roles are ${names.join(', ')}.`);
  });
}

import { AppError } from '../errors';
import { assertRowId } from '../db/ids';
import type { ScimDeps } from './deps';
import { MOST_RESULTS, USER_SCHEMA, listOf } from './protocol/discovery';
import { parseUserFilter } from './protocol/userFilter';
import { findScimUser, listScimUsers } from './scimUserStore';
import type { ScimUserRow } from './scimUserStore';
import { etagOf } from './scimVersion';

/** Returns the address below which the resources are. */
export const baseOf = ({ config }: Pick<ScimDeps, 'config'>): string =>
  `${config.mail.publicUrl ?? ''}/scim/v2`;

const orNothing = <Name extends string>(name: Name, value: string | null) =>
  value === null ? {} : { [name]: value };

/**
 * Shows a user as the directory knows them. The person's own name and address are not among it: they
 * may differ, and belong to the person.
 */
export function showScimUser(base: string, row: ScimUserRow) {
  const { staffId, userName, active, email, createdAt, updatedAt } = row;
  const name = {
    ...orNothing('formatted', row.formattedName),
    ...orNothing('givenName', row.givenName),
    ...orNothing('familyName', row.familyName),
  };
  return {
    schemas: [USER_SCHEMA],
    id: staffId,
    ...orNothing('externalId', row.externalId),
    userName,
    ...(Object.keys(name).length > 0 ? { name } : {}),
    ...orNothing('displayName', row.displayName),
    active,
    ...(email === null ? {} : { emails: [{ value: email, type: 'work', primary: true }] }),
    meta: {
      resourceType: 'User' as const,
      created: createdAt.toISOString(),
      lastModified: updatedAt.toISOString(),
      location: `${base}/Users/${staffId}`,
      version: etagOf(row),
    },
  };
}

export type ShownScimUser = ReturnType<typeof showScimUser>;

/**
 * Keeps the attributes that the client asked for (RFC 7644 3.9). `id`, `schemas` and `meta` are
 * always there. Of an attribute in parts, the first one decides.
 */
function selectAttributes(
  user: ShownScimUser,
  { attributes, excludedAttributes }: Selection,
): object {
  const namesOf = (list: string) =>
    new Set(list.split(',').map((name) => name.trim().split('.', 1)[0]?.toLowerCase() ?? ''));
  const wanted = attributes === undefined ? undefined : namesOf(attributes);
  const unwanted = namesOf(excludedAttributes ?? '');
  const kept = (name: string) => wanted?.has(name) ?? !unwanted.has(name);
  return Object.fromEntries(
    Object.entries(user).filter(
      ([name]) => ['id', 'schemas', 'meta'].includes(name) || kept(name.toLowerCase()),
    ),
  );
}

/** The attributes that a client wants, or does not want, joined by commas. */
export interface Selection {
  attributes?: string | undefined;
  excludedAttributes?: string | undefined;
}

/** The part of a list that a client asks for. */
export interface ScimQuery extends Selection {
  filter?: string | undefined;
  startIndex: number;
  count: number;
}

/**
 * Lists users of the directory of a tenant, oldest first.
 * @throws AppError SCIM_INVALID with `invalidFilter`
 */
export async function listUsers(
  deps: Pick<ScimDeps, 'db' | 'config'>,
  tenantId: string,
  query: ScimQuery,
) {
  const conditions = query.filter === undefined ? [] : parseUserFilter(query.filter);
  const startIndex = Math.max(1, query.startIndex);
  const limit = Math.min(Math.max(0, query.count), MOST_RESULTS);
  const { total, rows } = await listScimUsers(deps.db, tenantId, {
    ...{ conditions, limit, offset: startIndex - 1 },
  });
  const shown = rows.map((row) => selectAttributes(showScimUser(baseOf(deps), row), query));
  return listOf(shown, { total, startIndex });
}

/**
 * Reads one user of the directory of a tenant.
 * @throws AppError NOT_FOUND, also for members whom the directory does not know
 */
export async function readUser(
  deps: Pick<ScimDeps, 'db' | 'config'>,
  tenantId: string,
  staffId: string,
  selection: Selection,
): Promise<{ user: object; etag: string }> {
  assertRowId(staffId);
  const row = await findScimUser(deps.db, tenantId, staffId);
  if (!row) throw new AppError('NOT_FOUND');
  return {
    user: selectAttributes(showScimUser(baseOf(deps), row), selection),
    etag: etagOf(row),
  };
}

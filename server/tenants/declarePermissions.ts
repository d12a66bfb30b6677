import { recordAudits } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import { compareDeclared } from './compareDeclared';
import type { Declaration } from './compareDeclared';
import { listDeclared, lockDeclared, upsertDeclared, withdrawDeclared } from './permissionStore';
import type { DeclaredPermission } from './permissionStore';
import { applyPermissions } from './applyPermissions';
import { listOpenTenants } from './tenantStore';

export interface Declared extends Declaration {
  /** How many members, in all tenants, hold other permissions than before. */
  members: number;
}

const sentenceOf = ({ description, privileged }: DeclaredPermission) => ({
  description,
  privileged,
});

function eventsOf({ added, changed, withdrawn }: Declaration): AuditEvent[] {
  const common = (name: string) => ({
    ...{ outcome: 'success' as const, tenantId: null, subject: `permission:${name}` },
  });
  return [
    ...added.map((after) => ({
      action: 'PERMISSION_DECLARED' as const,
      ...common(after.name),
      details: { before: null, after: sentenceOf(after) },
    })),
    ...changed.map(({ before, after }) => ({
      action: 'PERMISSION_DECLARED' as const,
      ...common(after.name),
      details: { before: sentenceOf(before), after: sentenceOf(after) },
    })),
    ...withdrawn.map((before) => ({
      action: 'PERMISSION_WITHDRAWN' as const,
      ...common(before.name),
      details: { before: sentenceOf(before) },
    })),
  ];
}

/** Writes the list, in one transaction, and records each change. */
const writeDeclaration = (
  { db }: Pick<TenantDeps, 'db'>,
  ctx: RequestContext,
  wanted: readonly DeclaredPermission[],
): Promise<Declaration> =>
  db.transaction(async (tx) => {
    await lockDeclared(tx);
    const declaration = compareDeclared(await listDeclared(tx), wanted);
    const { added, changed, withdrawn } = declaration;
    for (const one of [...added, ...changed.map(({ after }) => after)]) {
      await upsertDeclared(tx, one);
    }
    for (const { name } of withdrawn) await withdrawDeclared(tx, name);
    await recordAudits(tx, ctx, eventsOf(declaration));
    return declaration;
  });

/** @returns how many members of the tenant hold other permissions now; 0 if it was deleted meanwhile */
async function applyTo(deps: TenantDeps, ctx: RequestContext, tenantId: string): Promise<number> {
  const authority = { via: 'operator', tenantId } as const;
  try {
    return await administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', (tx) =>
      applyPermissions(tx, ctx, tenantId),
    );
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return 0;
    throw error;
  }
}

/**
 * Declares the team's own permissions: exactly these can be given from now on. Then it visits each
 * tenant in a transaction of its own: owners get what is new, and everybody loses what was
 * withdrawn. If it is interrupted, the next run does what is left, also if the list is the same.
 */
export async function declarePermissions(
  deps: TenantDeps,
  ctx: RequestContext,
  wanted: readonly DeclaredPermission[],
): Promise<Declared> {
  const declaration = await writeDeclaration(deps, ctx, wanted);
  let members = 0;
  for (const tenantId of await listOpenTenants(deps.db)) {
    members += await applyTo(deps, ctx, tenantId);
  }
  return { ...declaration, members };
}

import { holdImpersonation } from '../auth';
import { isOfOperators, isService } from '../context';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { isRowId } from '../db/ids';
import { AppError } from '../errors';
import { ADMINISTERING } from '../permissions';
import type { BuiltInPermission } from '../permissions';
import { countAdministrators, readActor, readKeyPermissions } from './administrationStore';
import { lockTenant } from './lifecycleStore';

/** A member who administers, with the permissions of this moment. */
interface MemberActor {
  readonly kind: 'member';
  readonly staffId: string;
  readonly userId: string;
  readonly permissions: readonly string[];
  /** The end of their membership; if they act as another member, the earlier end. */
  readonly endsAt: Date | null;
  /**
   * They act through a program with a key, or as another member: with less than their own
   * permissions, and not for themselves.
   */
  readonly inPart?: true;
}

/** The actor of an administration. */
export type Administrator = { readonly kind: 'operator' } | MemberActor;

/** A transaction that has the tenant's administration for itself. */
export interface Administration {
  readonly tenantId: string;
  readonly actor: Administrator;
  /** The tenant's policy: privileged permissions need a second administrator. */
  readonly needsApproval: boolean;
  /** How many members could administer the tenant when this administration began. */
  readonly administrators: number;
}

/**
 * Reads the member as whom somebody acts, and holds the impersonation.
 * @returns undefined if it is over by now
 */
async function readSubject(
  tx: Tx,
  tenantId: string,
  { staffId, impersonationId }: NonNullable<RequestContext['onBehalfOf']>,
) {
  if (!(await holdImpersonation(tx, tenantId, impersonationId))) return undefined;
  const subject = await readActor(tx, tenantId, staffId);
  return subject?.active ? subject : undefined;
}

/** Reads the permissions of the key that somebody uses; it ends with its holder. */
async function readKey(tx: Tx, tenantId: string, which: { staffId: string; apiKeyId: string }) {
  const permissions = await readKeyPermissions(tx, tenantId, which);
  return permissions && { permissions, endsAt: null };
}

const earlier = (one: Date | null, other: Date | null): Date | null =>
  one === null || (other !== null && other < one) ? other : one;

/**
 * Reads the member who acts. If they use an API key, or act as another member, only the permissions
 * count that the key or the other member has too, and the key must still be live, or the
 * impersonation still run.
 */
async function readMember(
  tx: Tx,
  { actor: staffId, apiKeyId, onBehalfOf }: RequestContext,
  tenantId: string,
): Promise<MemberActor> {
  const found = isRowId(staffId) ? await readActor(tx, tenantId, staffId) : undefined;
  if (!found?.active) throw new AppError('UNAUTHENTICATED');
  const { userId, permissions, endsAt } = found;
  if (apiKeyId === undefined && !onBehalfOf) {
    return { kind: 'member', staffId, userId, permissions, endsAt };
  }
  const other = onBehalfOf
    ? await readSubject(tx, tenantId, onBehalfOf)
    : await readKey(tx, tenantId, { staffId, apiKeyId: apiKeyId ?? '' });
  if (!other) throw new AppError('UNAUTHENTICATED');
  const both = permissions.filter((one) => other.permissions.includes(one));
  const until = earlier(endsAt, other.endsAt);
  return { kind: 'member', staffId, userId, permissions: both, endsAt: until, inPart: true };
}

/**
 * Begins an administration of a tenant's people: locks the tenant's row, so that all administrations
 * of one tenant happen one after another, and reads the actor's permissions again, because
 * they may have changed before the lock. If the actor used an API key, only the permissions of the
 * key count; if they act as another member, only those that both hold. Sign-ins and requests take no such lock.
 * @param needs the permission that the actor must hold; operators need none
 * @throws AppError NOT_FOUND if there is no such tenant, or it was deleted; FORBIDDEN if the actor
 * no longer holds the permission; UNAUTHENTICATED if the actor may no longer sign in
 */
export async function beginAdministration(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  needs: BuiltInPermission,
): Promise<Administration> {
  const tenant = await lockTenant(tx, tenantId);
  if (!tenant || tenant.status === 'deleted') throw new AppError('NOT_FOUND');
  const administrators = await countAdministrators(tx, tenantId, ADMINISTERING);
  const common = { tenantId, needsApproval: tenant.needsApproval, administrators };
  // A program of the operator has its scopes, and not the powers of the operator.
  if (isOfOperators(ctx.actor) && !isService(ctx.actor)) {
    return { ...common, actor: { kind: 'operator' } };
  }
  const actor = await readMember(tx, ctx, tenantId);
  if (!actor.permissions.includes(needs)) {
    throw new AppError('FORBIDDEN', { detail: `This needs the permission ${needs}.` });
  }
  return { ...common, actor };
}

/** Returns the permissions that somebody holds and the actor does not hold; none if it is the actor. */
const heldBeyond = (
  { actor }: Pick<Administration, 'actor'>,
  subject: { staffId: string; permissions: readonly string[] },
): string[] => {
  if (actor.kind === 'operator') return [];
  if (actor.staffId === subject.staffId && !actor.inPart) return [];
  return subject.permissions.filter((one) => !actor.permissions.includes(one));
};

/** Returns whether {@link assertMayManage} would pass. */
export const mayManage = (
  administration: Pick<Administration, 'actor'>,
  subject: { staffId: string; permissions: readonly string[] },
): boolean => heldBeyond(administration, subject).length === 0;

/**
 * Refuses to act on somebody who holds a permission that the actor does not hold. Anyone may act on
 * themselves, if the route allows it.
 * @throws AppError NOT_YOURS_TO_MANAGE
 */
export function assertMayManage(
  administration: Pick<Administration, 'actor'>,
  subject: { staffId: string; permissions: readonly string[] },
): void {
  const beyond = heldBeyond(administration, subject);
  if (beyond.length === 0) return;
  throw new AppError('NOT_YOURS_TO_MANAGE', {
    detail: `This person holds permissions that you do not hold: ${beyond.join(', ')}.`,
  });
}

/**
 * Refuses to give what the actor does not hold.
 * @param given the permissions that somebody would hold in addition
 * @throws AppError NOT_YOURS_TO_GIVE
 */
export function assertMayGive(
  { actor }: Pick<Administration, 'actor'>,
  given: readonly string[],
): void {
  if (actor.kind === 'operator') return;
  const beyond = given.filter((one) => !actor.permissions.includes(one));
  if (beyond.length === 0) return;
  throw new AppError('NOT_YOURS_TO_GIVE', {
    detail: `You do not hold ${beyond.join(', ')} yourself.`,
  });
}

/**
 * Refuses a change that leaves a tenant without anybody who can administer it, if it had somebody
 * before. Call it at the end of the transaction. A tenant that only operators administer stays as
 * it is.
 * @param insists an operator has said that it is meant
 * @throws AppError LAST_ADMINISTRATOR
 */
export async function assertAdministratorLeft(
  tx: Tx,
  { tenantId, administrators }: Administration,
  insists = false,
): Promise<void> {
  if (insists || administrators === 0) return;
  if ((await countAdministrators(tx, tenantId, ADMINISTERING)) === 0) {
    throw new AppError('LAST_ADMINISTRATOR');
  }
}

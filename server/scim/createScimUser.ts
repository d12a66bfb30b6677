import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { hasProvenDomain } from '../domains';
import { AppError } from '../errors';
import { domainOf, normalizeEmail } from '../mailAddress';
import {
  findMembershipByEmail,
  insertPersonWithoutPassword,
  insertStaff,
  provenanceOf,
  reviveStaff,
} from '../tenants';
import type { ScimDeps } from './deps';
import { actForDirectory, actOf, disableForDirectory, disabledElsewhere } from './directoryAct';
import type { DirectoryRequest } from './directoryAct';
import { notUnique, refuseScim } from './protocol/scimRefusals';
import { applyChanges } from './protocol/userChanges';
import type { DirectoryUser, UserChange } from './protocol/userChanges';
import { findScimUser, isNameTaken, linkScimUser, readLink } from './scimUserStore';
import type { ScimUserRow } from './scimUserStore';

const NOBODY: DirectoryUser = {
  userName: '',
  active: true,
  externalId: null,
  displayName: null,
  givenName: null,
  familyName: null,
  formattedName: null,
  email: null,
};

/** The access of a new member: that of the role that every tenant has, and gives nothing. */
const ACCESS = { roles: ['member'], permissions: [] as string[], endsAt: null };

interface Found {
  how: 'created' | 'adopted' | 'rejoined';
  /** Undefined for somebody who was never a member. */
  staffId?: string;
  /** The member is disabled already. */
  isDisabled: boolean;
}

/**
 * Decides what a new user of the directory is: a new member, one that exists, or one whom SCIM had
 * removed.
 * @throws AppError SCIM_CONFLICT, with `uniqueness` if the directory knows them; SCIM_INVALID if the
 * tenant has not proven the domain
 */
async function settle(
  tx: Tx,
  tenantId: string,
  { user, email }: { user: DirectoryUser; email: string },
): Promise<Found> {
  const member = await findMembershipByEmail(tx, tenantId, email);
  const link = member && (await readLink(tx, tenantId, member.staffId));
  const taken = await isNameTaken(tx, tenantId, { userName: user.userName });
  if (taken || link?.isKnown) throw notUnique('There is a user with this userName already.');
  if (!(await hasProvenDomain(tx, tenantId, domainOf(email)))) {
    const detail = `Your organisation has not proven the domain ${domainOf(email)}. Prove it in Gatehouse first.`;
    throw member && member.status !== 'removed'
      ? notUnique(`This person is a member already. ${detail}`)
      : refuseScim('invalidValue', detail);
  }
  if (!member) return { how: 'created', isDisabled: false };
  const { staffId, status } = member;
  if (status === 'removed') {
    if (link?.removedHere) return { how: 'rejoined', staffId, isDisabled: false };
    const detail =
      'An administrator removed this person, or had disabled them or limited their membership. Only an invitation brings them back.';
    throw new AppError('SCIM_CONFLICT', { detail });
  }
  if (status === 'disabled' && user.active) throw disabledElsewhere();
  return { how: 'adopted', staffId, isDisabled: status === 'disabled' };
}

/** Makes a person a member, and finds or creates the person. An existing one is not changed. */
async function join(deps: ScimDeps, tx: Tx, tenantId: string, email: string): Promise<string> {
  const { id: userId } = await insertPersonWithoutPassword(deps, tx, { email, name: null });
  const createdAt = deps.clock.now();
  const staffId = deps.random.id();
  await insertStaff(tx, { id: staffId, tenantId, userId, ...ACCESS, createdAt });
  return staffId;
}

/**
 * Makes the membership of a user as it must be, and records a new one.
 * @returns the staff id
 */
async function enter(
  deps: ScimDeps,
  ctx: RequestContext,
  request: DirectoryRequest,
  tx: Tx,
  { found, email }: { found: Found; email: string },
): Promise<string> {
  const { tenantId } = request.principal;
  const { how } = found;
  const staffId = found.staffId ?? (await join(deps, tx, tenantId, email));
  if (how === 'adopted') return staffId;
  if (how === 'rejoined') await reviveStaff(tx, tenantId, { staffId, ...ACCESS });
  const { permissions, roles } = ACCESS;
  await recordAudit(tx, ctx, {
    action: 'STAFF_CREATED',
    outcome: 'success',
    subject: `staff:${staffId}`,
    details: {
      ...{ permissions, roles, ...provenanceOf(deps, actOf(request)) },
      ...(how === 'rejoined' ? { rejoined: true as const } : {}),
    },
  });
  return staffId;
}

/**
 * Makes somebody a user of the directory: a new member with the role `member` alone, or one that
 * exists. The answer is the same for a person who exists elsewhere, and nothing of theirs is changed
 * or shown. The address must be of a domain that the tenant has proven.
 * @throws AppError SCIM_INVALID; SCIM_CONFLICT; what `actForDirectory` throws
 */
export async function createScimUser(
  deps: ScimDeps,
  ctx: RequestContext,
  request: DirectoryRequest,
  changes: readonly UserChange[],
): Promise<ScimUserRow> {
  const { tenantId } = request.principal;
  const { after: user } = applyChanges(NOBODY, changes);
  if (user.userName === '') throw refuseScim('invalidValue', 'userName must be given.');
  const email = normalizeEmail(user.userName);
  if (email === null) {
    throw refuseScim('invalidValue', 'userName must be the e-mail address of the person.');
  }
  const row = await actForDirectory(deps, ctx, request, [], async (work) => {
    const { tx } = work;
    const found = await settle(tx, tenantId, { user, email });
    const staffId = await enter(deps, ctx, request, tx, { found, email });
    await linkScimUser(tx, tenantId, staffId, user);
    if (!user.active && !found.isDisabled) {
      await disableForDirectory(deps, ctx, { tenantId, staffId }, request, work);
    }
    await recordAudit(tx, ctx, {
      action: 'SCIM_USER_CREATED',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: { how: found.how, active: user.active, ...provenanceOf(deps, actOf(request)) },
    });
    const made = await findScimUser(tx, tenantId, staffId);
    if (!made) throw new Error('a user of a directory was not stored');
    return made;
  });
  if (!user.active) deps.riskFacts.forget(tenantId, row.staffId);
  return row;
}

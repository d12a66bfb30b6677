import {
  assertPasswordAllowed,
  describeJoiningOwner,
  describeNewOwner,
  findPerson,
  hasOwnPassword,
  verifyInvited,
  withSessionTable,
} from '../auth';
import type { Account } from '../auth';
import type { Principal, RequestContext } from '../context';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { domainOf } from '../mailAddress';
import { judgeAddress } from '../security';
import { checkInvitationCode } from './invitationCode';
import { openInvitation } from './invitationLink';
import type { LinkedInvitation } from './invitationStore';
import { joinByInvitation } from './joinByInvitation';
import type { Joiner } from './joinByInvitation';
import { inTenant } from '../db/tenantScope';

/** How the accepting person identifies themselves. */
export interface Acceptance {
  /** Set if they are signed in, at any tenant. The other fields are then ignored. */
  principal?: Principal | undefined;
  /** A new password, or their existing one. */
  password?: string | undefined;
  name?: string | undefined;
  code?: string | undefined;
  /** The hashes of the device cookie, if the request brought a valid one. */
  cookieDeviceHashes: readonly string[];
}

/** The facts that the person needs to sign in. */
export interface AcceptedInvitation {
  tenant: { slug: string; name: string };
  email: string;
}

const missing = (path: string, message: string) =>
  new AppError('INVALID_INPUT', {
    detail: 'Some fields are not valid.',
    extra: { issues: [{ path, message }] },
  });

type PasswordOwner = Awaited<ReturnType<typeof describeNewOwner>>;

async function hashNew(
  deps: TenantDeps,
  ctx: RequestContext,
  owner: PasswordOwner,
  password: string,
): Promise<string> {
  const { email } = owner;
  await assertPasswordAllowed(deps, password, owner);
  const { address } = await judgeAddress(deps, ctx);
  return deps.passwords.admit(
    () => Promise.resolve({ block: address, domain: domainOf(email), familiar: false }),
    () => deps.passwords.hash(password),
  );
}

/**
 * Hashes the first password of a person who exists. Their mailbox is the proof, as for the link that
 * "forgot password" mails.
 */
async function chooseFirst(
  deps: TenantDeps,
  ctx: RequestContext,
  tenantId: string,
  { account, password }: { account: Account; password: string },
): Promise<Joiner> {
  const { userId } = account;
  const owner = await describeJoiningOwner(deps.db, { userId, tenantId });
  if (!owner) throw new AppError('CONFLICT');
  const passwordHash = await hashNew(deps, ctx, owner, password);
  return { by: 'first_password', account, passwordHash };
}

/**
 * Identifies the person who accepts. The address is proven before the first check whether the person
 * exists: by the mailed link, or else by the mailed code. Until then all answers are the same for
 * everybody.
 */
async function recognise(
  deps: TenantDeps,
  ctx: RequestContext,
  linked: LinkedInvitation,
  { principal, password, code, ...given }: Acceptance,
): Promise<Joiner> {
  const { invitation, tenant } = linked;
  const { email, tenantId } = invitation;
  if (principal) {
    if (principal.email !== email) throw new AppError('INVITATION_FOR_SOMEBODY_ELSE');
    return { by: 'session', userId: principal.userId };
  }
  if (password === undefined) throw missing('password', 'must be given, unless you are signed in');
  if (invitation.delivery === 'link') {
    if (code === undefined) throw missing('code', 'must be given: ask for it at …/code');
    await checkInvitationCode(deps, invitation, code);
  }
  const account = await findPerson(deps, email);
  if (account?.active && !hasOwnPassword(account)) {
    return chooseFirst(deps, ctx, tenantId, { account, password });
  }
  if (account) {
    const where = { id: tenantId, slug: tenant.slug, name: tenant.name };
    const { cookieDeviceHashes } = given;
    const proof = { email, password, tenant: where, cookieDeviceHashes };
    return { by: 'password', userId: await verifyInvited(deps, ctx, proof) };
  }
  const name = given.name ?? null;
  const owner = await describeNewOwner(deps.db, { email, name, tenantId });
  const passwordHash = await hashNew(deps, ctx, owner, password);
  return { by: 'new_person', passwordHash, name };
}

/**
 * Accepts an invitation. It opens no session: the person signs in as usual afterwards, with the
 * proofs that the tenant's policy demands.
 * @param token the last part of the link
 * @returns the facts that the person needs to sign in
 * @throws AppError NOT_FOUND, INVITATION_EXPIRED; INVALID_INPUT if a field is missing; INVALID_CODE;
 * INVITATION_FOR_SOMEBODY_ELSE for another person's session; INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS
 * and HASHING_BUSY for the password of an existing person; PASSWORD_REFUSED for a new one,
 * or the first one of an existing person;
 * ALREADY_MEMBER and INVITATION_NO_LONGER_VALID, after which the invitation is revoked; CONFLICT
 */
export async function acceptInvitation(
  deps: TenantDeps,
  ctx: RequestContext,
  token: string,
  acceptance: Acceptance,
): Promise<AcceptedInvitation> {
  const linked = await openInvitation(deps, token);
  const { invitation, tenant } = linked;
  const joiner = await recognise(deps, ctx, linked, acceptance);
  const refused = await withSessionTable(deps, (mode) =>
    inTenant(deps.db, invitation.tenantId, (tx) =>
      joinByInvitation(deps, tx, ctx, mode, { invitation, joiner }),
    ),
  );
  if (joiner.by === 'first_password') {
    deps.mail.wake();
    const { memberships } = joiner.account;
    for (const one of memberships) deps.riskFacts.forget(one.tenantId, one.staffId);
  }
  if (refused) throw new AppError(refused);
  return { tenant: { slug: tenant.slug, name: tenant.name }, email: invitation.email };
}

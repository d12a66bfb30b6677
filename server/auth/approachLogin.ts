import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { retryAfter } from '../http/retryAfter';
import { domainOf } from '../mailAddress';
import {
  addressBlock,
  attemptSubject,
  findShownFactor,
  judgeAddress,
  lookForFamiliar,
} from '../security';
import type { AddressJudgement, Familiarity } from '../security';
import { findAccount } from './accountStore';
import type { Account } from './accountStore';
import type { Applicant } from './fairQueue';

export interface Credentials {
  email: string;
  password: string;
  /** The tenant that the client named, for the audit event of a failure. */
  tenant?: string | undefined;
  /** The hashes of the device cookie, if the request brought a valid one. */
  cookieDeviceHashes: readonly string[];
  /** From an earlier answer; it may be a login that began with the second factor. */
  challengeId?: string | undefined;
}

/** The facts about a login before its password is checked. */
export interface Approach extends AddressJudgement {
  /** The key under which the tries of this e-mail address are counted. */
  subject: string;
  account: Account | undefined;
  /** True if this login began with the second factor, and the factor was shown. */
  factorShown: boolean;
  /** Looked up at the first call, then cached. */
  familiar: () => Promise<Familiarity>;
}

type ApproachDeps = Pick<
  AuthDeps,
  'db' | 'pool' | 'keys' | 'clock' | 'config' | 'metrics' | 'logger' | 'lookUps'
>;

/**
 * Judges the address before a login takes a place in the hash queue, as soon as it is the turn of
 * the login. An address past its budget gets no place, unless the login comes from a device on which
 * this person has signed in, or has shown the second factor. Nothing here reveals whether the
 * account exists.
 * @throws AppError TOO_MANY_ATTEMPTS, HASHING_BUSY
 */
export function approachLogin(
  deps: ApproachDeps,
  ctx: RequestContext,
  credentials: Credentials,
): Promise<Approach> {
  const [device] = credentials.cookieDeviceHashes;
  // What is known without the database: a signed cookie is that of a device that somebody signed in
  // on.
  const applicant: Applicant = {
    block: device === undefined ? addressBlock(ctx.ip) : `device:${device}`,
    domain: domainOf(credentials.email),
    familiar: device !== undefined,
  };
  const describe = () => Promise.resolve(applicant);
  return deps.lookUps.admit(describe, () => lookAtLogin(deps, ctx, credentials));
}

async function lookAtLogin(
  deps: ApproachDeps,
  ctx: RequestContext,
  credentials: Credentials,
): Promise<Approach> {
  const { email, cookieDeviceHashes, challengeId } = credentials;
  const judged = await judgeAddress(deps, ctx);
  let looked: Promise<Familiarity> | undefined;
  const familiar = () => (looked ??= lookForFamiliar(deps, ctx, { email, cookieDeviceHashes }));
  const account = await findAccount(deps.db, email);
  const shownBy = challengeId === undefined ? undefined : await findShownFactor(deps, challengeId);
  const factorShown = account !== undefined && shownBy === account.userId;
  const approach = { ...judged, account, factorShown, familiar };
  if (judged.refusedUntil !== null && !factorShown) {
    if (cookieDeviceHashes.length === 0 || !(await familiar()).device) {
      deps.metrics.logins.inc({ outcome: 'throttled' });
      const headers = retryAfter(deps.clock.now(), judged.refusedUntil);
      throw new AppError('TOO_MANY_ATTEMPTS', { headers });
    }
  }
  return { ...approach, subject: attemptSubject(deps.keys, 'email', email) };
}

/** Chooses the line of the hash queue in which a login waits. */
export async function describeApplicant(
  { email, cookieDeviceHashes }: Pick<Credentials, 'email' | 'cookieDeviceHashes'>,
  approach: Approach,
): Promise<Applicant> {
  const domain = domainOf(email);
  const { address, subject, factorShown } = approach;
  if (factorShown) return { block: `factor:${subject}`, domain, familiar: true };
  const { device, place } = await approach.familiar();
  if (device) return { block: `device:${cookieDeviceHashes[0]}`, domain, familiar: true };
  // Familiar to any account: the place in the queue must not reveal whether this account has signed
  // in here.
  return { block: address, domain, familiar: place };
}

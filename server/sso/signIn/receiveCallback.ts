import type { RequestContext } from '../../context';
import type { SsoRefusal } from '../../audit';
import { isRowId } from '../../db/ids';
import { inTenant } from '../../db/tenantScope';
import { attemptSubject, reserveTry } from '../../security';
import type { SsoDeps } from '../deps';
import { openSecrets, sealClaims } from './attemptSecrets';
import type { AttemptSecrets } from './attemptSecrets';
import { explainUntaken, finishAttempt, keepClaims, takeAttempt } from './ssoAttemptStore';
import type { AttemptRow } from './ssoAttemptStore';
import { findClient } from './clientStore';
import { findTenantOfConnection } from './connectionTenantStore';
import { exchangeCode } from './exchangeCode';
import type { Exchange } from './exchangeCode';
import { redirectUriOf, returnUrlOf } from './redirectAddress';
import { refuseAttempt } from './refuseAttempt';

/** A browser that comes back from a provider. */
export interface Returning {
  /** From the path. */
  readonly connectionId: string;
  /** The value of its cookie. */
  readonly cookie: string | undefined;
  /** The query as it was sent. */
  readonly query: string;
}

/** A state of this server is much shorter. */
const MOST_STATE = 100;
/** The most refused returns of one attempt that are recorded. */
const MOST_RECORDED = 3;
/** The most bytes of claims that are kept for an administrator who tries a connection. */
const MOST_CLAIMS = 16_384;

/** @returns the state; undefined if there is none, more than one, or one that is not ours */
function readState(query: URLSearchParams): string | undefined {
  const [state, ...more] = query.getAll('state');
  if (state === undefined || state === '' || more.length > 0) return undefined;
  return state.length > MOST_STATE ? undefined : state;
}

/**
 * Counts a return that could not take its attempt, over all nodes.
 * @returns whether it is recorded
 */
async function isRecorded({ db, keys, clock }: SsoDeps, state: string): Promise<boolean> {
  const key = { scope: 'account', subject: attemptSubject(keys, 'sso-return', state) } as const;
  const limits = { failures: MOST_RECORDED, tries: MOST_RECORDED };
  return (await reserveTry(db, key, limits, clock.now())) !== undefined;
}

/** Asks the provider, unless the connection is no longer the one with which the attempt began. */
async function ask(
  deps: SsoDeps,
  attempt: AttemptRow,
  { state, query }: { state: string; query: string },
): Promise<Exchange> {
  const { tenantId, connectionId } = attempt;
  const client = await findClient(deps.db, tenantId, connectionId);
  if (!client) return { refusal: 'connection_deleted' };
  let secrets: AttemptSecrets;
  try {
    secrets = openSecrets(deps.keys, attempt, attempt.secretsSealed);
  } catch {
    // Sealed under a key that was taken away in the last ten minutes.
    return { refusal: 'attempt_expired' };
  }
  const isSame = secrets.issuer === client.issuer && secrets.clientId === client.clientId;
  if (!isSame) return { refusal: 'connection_changed' };
  const answer = new URL(redirectUriOf(deps, connectionId));
  answer.search = query;
  return exchangeCode(deps, { client, secrets, state, answer });
}

/** Seals what an administrator is shown of a try: everything that the provider has signed. */
function sealShown(deps: SsoDeps, attempt: AttemptRow, payload: object | undefined): Buffer | null {
  if (payload === undefined || attempt.kind !== 'try') return null;
  try {
    const isLarge = Buffer.byteLength(JSON.stringify(payload)) > MOST_CLAIMS;
    return isLarge ? null : sealClaims(deps.keys, attempt, payload);
  } catch (error) {
    // JSON that is nested deeply enough can be read, but not written.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** @returns the reason if the attempt is refused */
async function settleAttempt(
  deps: SsoDeps,
  ctx: RequestContext,
  attempt: AttemptRow,
  exchange: Exchange,
): Promise<SsoRefusal | undefined> {
  const { tenantId, connectionId, id, kind } = attempt;
  const claimsSealed = sealShown(deps, attempt, exchange.payload);
  if ('refusal' in exchange) {
    const about = { tenantId, connectionId, attempt, claimsSealed };
    await refuseAttempt(deps, ctx, about, exchange.refusal);
    return exchange.refusal;
  }
  if (kind === 'try') {
    const done = { id, outcome: 'done', claimsSealed };
    await inTenant(deps.db, tenantId, (tx) => finishAttempt(tx, tenantId, done));
    deps.metrics.ssoSignIns.inc({ outcome: 'done' });
    return undefined;
  }
  const sealed = sealClaims(deps.keys, attempt, exchange.claims);
  await keepClaims(deps.db, tenantId, { id, claimsSealed: sealed });
  return undefined;
}

/**
 * Receives a browser that comes back from a provider. The attempt is found by the state, the cookie
 * and the connection together, and is taken before the code is sent on, so that no code is used
 * twice, in another browser, or at another provider. It opens no session.
 * @returns the address to which the browser goes: the same for every reason of a refusal
 * @throws AppError SSO_UNAVAILABLE; the driver's error
 */
export async function receiveCallback(
  deps: SsoDeps,
  ctx: RequestContext,
  { connectionId, cookie, query }: Returning,
): Promise<string> {
  const refused = returnUrlOf(deps, { sso: 'refused' });
  const tenantId = isRowId(connectionId)
    ? await findTenantOfConnection(deps.db, connectionId)
    : undefined;
  if (tenantId === undefined) {
    deps.metrics.ssoSignIns.inc({ outcome: 'attempt_unknown' });
    return refused;
  }
  const state = readState(new URLSearchParams(query));
  const named = {
    connectionId,
    stateHashes: state === undefined ? [] : deps.keys.hashAll('sso-state', state),
    cookieHashes: cookie === undefined ? [] : deps.keys.hashAll('sso-cookie', cookie),
  };
  const attempt =
    state === undefined || cookie === undefined
      ? undefined
      : await takeAttempt(deps.db, tenantId, named);
  if (!attempt || state === undefined) {
    const why = await inTenant(deps.db, tenantId, (tx) => explainUntaken(tx, tenantId, named));
    // Without an attempt nothing is recorded, and of one attempt only a few returns are: strangers
    // could fill the log of any tenant.
    if (why !== undefined && state !== undefined && (await isRecorded(deps, state))) {
      await refuseAttempt(deps, ctx, { tenantId, connectionId }, why);
    } else deps.metrics.ssoSignIns.inc({ outcome: why ?? 'attempt_unknown' });
    return refused;
  }
  const exchange = await ask(deps, attempt, { state, query });
  const refusal = await settleAttempt(deps, ctx, attempt, exchange);
  const kind = attempt.kind === 'login' ? {} : { kind: attempt.kind };
  return returnUrlOf(deps, { sso: refusal === undefined ? 'done' : 'refused', ...kind });
}

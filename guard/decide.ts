import type { Decision, Need, Origin, Principal, Refusal } from './guardContract';
import type { Gatehouse, Introspection } from './gatehouseCalls';
import { addressOf } from './introspector';
import type { Introspector, Known } from './introspector';
import {
  addressRefused,
  invalidCredential,
  missingPermission,
  noCredential,
  noProofAsAnother,
  personRequired,
  readsOnly,
  unavailable,
} from './refusals';
import type { Signatures } from './signatures';
import { Unavailable, within } from './unavailable';

interface DecideOptions {
  signatures: Signatures;
  introspector: Introspector;
  gatehouse: Pick<Gatehouse, 'ask'>;
  /** How long a request waits until it is known who sends it. */
  waitMs: number;
  onProblem: (problem: Error) => void;
}

/** RFC 6750 2.1; the scheme is case-insensitive (RFC 9110 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const API_KEY = /^ghk_t[0-9A-Za-z]{49}$/;
const ANY_KEY = /^ghk_/;

function toPrincipal(said: Introspection): Principal {
  return {
    userId: said.sub ?? '',
    tenantId: said.tid ?? '',
    tenant: said.tenant ?? '',
    staffId: said.staff_id ?? '',
    sessionId: said.sid ?? null,
    apiKeyId: said.api_key_id ?? null,
    email: said.username ?? null,
    name: said.name ?? null,
    permissions: said.permissions ?? [],
    roles: said.roles ?? [],
    amr: said.amr ?? [],
    acr: said.acr ?? null,
    authTime: said.auth_time ?? null,
    actor: said.act
      ? {
          ...{ userId: said.act.sub, staffId: said.act.staff_id },
          // An unknown scope allows the least.
          scope: said.act.scope === 'full' ? 'full' : 'read_only',
        }
      : null,
  };
}

const READS = ['GET', 'HEAD'];

/** Returns whether somebody who acts as another member to read alone may send a request with this method. */
const mayUse = ({ actor }: Principal, method: string | undefined): boolean =>
  actor?.scope !== 'read_only' || (method !== undefined && READS.includes(method));

/** A refusal ends the check of a request. */
class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(`refused with ${refusal.status}`);
  }
}

/** The refusal of a credential that is not active. */
const inactive = (reason: unknown, origin: Origin): Refusal =>
  reason === 'IP_BLOCKED' ? addressRefused(addressOf(origin)) : invalidCredential();

const NEEDS = new Set(['permissions', 'stepUp', 'consume']);

/** A misspelled need would otherwise admit everybody. */
function assertKnown(need: Need): void {
  for (const name in need) {
    if (!NEEDS.has(name)) throw new TypeError(`The guard does not know the need \`${name}\`.`);
  }
}

/** Builds the functions that decide about one request. */
export function createDecide(options: DecideOptions) {
  const { signatures, introspector, gatehouse, onProblem } = options;

  /** Returns who sends a request, if that is kept: without a promise, because it is so most of the time. */
  function recall(credential: string, origin: Origin): Known | undefined {
    const claims = signatures.readAgain(credential);
    return claims && introspector.recall(claims, origin);
  }

  async function identify(credential: string, origin: Origin): Promise<Known> {
    if (ANY_KEY.test(credential)) {
      // A service key opens Gatehouse's routes for services, and nothing here.
      if (!API_KEY.test(credential)) throw new Refused(invalidCredential());
      return introspector.ofApiKey(credential, origin);
    }
    const claims = await signatures.read(credential);
    if (!claims) throw new Refused(invalidCredential());
    return introspector.ofToken(credential, claims, origin);
  }

  /** Asks about a proof. @returns when it passed; throws Refused with the challenge if it did not */
  async function askForProof(asked: object, origin: Origin): Promise<void> {
    const { correlationId } = origin;
    const address = addressOf(origin);
    const question = { ...asked, ...(address === undefined ? {} : { address }) };
    const asking = { correlationId, lane: 'known' as const };
    const { status, body, headers } = await gatehouse.ask('api/token/step-up', question, asking);
    if (status === 428) {
      const authenticate = headers.get('www-authenticate');
      throw new Refused({
        status: 428,
        headers: authenticate === null ? {} : { 'www-authenticate': authenticate },
        body: body as Record<string, unknown>,
      });
    }
    const { active, passed, reason } = body as Record<string, unknown>;
    if (active !== true) throw new Refused(inactive(reason, origin));
    if (passed !== true) throw new Unavailable('the answer about a proof has another form');
  }

  async function requireProofs(
    token: string,
    { introspection, heldMs }: Known,
    { stepUp, consume }: Need,
    origin: Origin,
  ): Promise<void> {
    if (!stepUp && !consume) return;
    if (introspection.api_key_id !== undefined) throw new Refused(personRequired());
    if (introspection.act) throw new Refused(noProofAsAnother());
    if (stepUp) {
      const { purpose, windowSec } = stepUp;
      const fresh = introspection.step_ups?.find((proof) => proof.purpose === purpose);
      // The kept answer counts by the tenant's window alone. Gatehouse knows the age of a proof.
      const holds = windowSec === undefined && fresh && fresh.expires_in * 1000 > heldMs;
      if (!holds)
        await askForProof({ token, purpose, ...(windowSec ? { windowSec } : {}) }, origin);
    }
    if (consume) {
      const { purpose, act } = consume;
      await askForProof({ token, purpose, act, consume: true }, origin);
    }
  }

  /** @returns the first permission that is needed and not held */
  const missingOf = (principal: Principal, { permissions = [] }: Need): string | undefined =>
    permissions.find((permission) => !principal.permissions.includes(permission));

  /**
   * Decides about a request whose person is known, if it needs no proof, and the tenant has no IP
   * rules. It saves the promises that anything else takes.
   * @returns undefined if that is not enough
   */
  function decideAtOnce(authorization: string | undefined, need: Need): Decision | undefined {
    for (const name in need) if (name !== 'permissions') return undefined;
    const token = BEARER.exec(authorization ?? '')?.[1];
    const known = token === undefined ? undefined : recall(token, {});
    if (!known?.introspection.active) return undefined;
    const principal = toPrincipal(known.introspection);
    if (principal.actor) return undefined;
    if (missingOf(principal, need) !== undefined) return undefined;
    return { allowed: true, principal, staleForAtMostMs: known.ageMs, source: known.source };
  }

  /**
   * Decides about a request. It never throws: a request that cannot be checked is refused with 503.
   * @param authorization the header of the request
   */
  async function decide(
    authorization: string | undefined,
    need: Need = {},
    origin: Origin = {},
  ): Promise<Decision> {
    try {
      assertKnown(need);
      const credential = BEARER.exec(authorization ?? '')?.[1];
      if (credential === undefined) throw new Refused(noCredential());
      const known =
        recall(credential, origin) ?? (await within(options.waitMs, identify(credential, origin)));
      const { introspection, ageMs: staleForAtMostMs, source } = known;
      if (!introspection.active) throw new Refused(inactive(introspection.reason, origin));
      const principal = toPrincipal(introspection);
      if (!mayUse(principal, origin.method)) throw new Refused(readsOnly());
      const missing = missingOf(principal, need);
      if (missing !== undefined) throw new Refused(missingPermission(missing));
      await requireProofs(credential, known, need, origin);
      return { allowed: true, principal, staleForAtMostMs, source };
    } catch (error) {
      if (error instanceof Refused) return { allowed: false, refusal: error.refusal };
      if (!(error instanceof Unavailable)) onProblem(error as Error);
      const retryAfter = error instanceof Unavailable ? error.retryAfterSec : 1;
      return { allowed: false, refusal: unavailable(retryAfter) };
    }
  }
  return { decide, decideAtOnce };
}

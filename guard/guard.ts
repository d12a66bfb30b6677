import {
  createExpressGuards,
  createFastifyGuards,
  createFetchGuard,
  createHonoGuards,
  createNodeGuard,
} from './adapters';
import { openChangeLine } from './changes';
import type {
  Clocks,
  Decision,
  GuardOptions,
  GuardStats,
  Need,
  Origin,
  Principal,
} from './guardContract';
import { createDecide } from './decide';
import { createGatehouse } from './gatehouseCalls';
import { createIntrospector } from './introspector';
import { createKnowledge } from './knowledge';
import { createOutages } from './outages';
import { createSignatures } from './signatures';
import { createCounters, toPrometheus } from './stats';

const SYSTEM_CLOCKS: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() };
const LEAST_STALENESS_MS = 200;

function refuseWrong({ url, serviceKey, maxStalenessMs = 1000 }: GuardOptions): void {
  const { protocol } = new URL(url);
  if (!/^https?:$/.test(protocol))
    throw new TypeError('`url` must begin with https:// or http://.');
  if (!/^ghk_s[0-9A-Za-z]{49}$/.test(serviceKey)) {
    throw new TypeError(
      '`serviceKey` must be a service key: `admin service-key create` prints one.',
    );
  }
  if (!(maxStalenessMs >= LEAST_STALENESS_MS && maxStalenessMs <= 60_000)) {
    throw new TypeError('`maxStalenessMs` must be 200 to 60000.');
  }
}

/**
 * Builds the guard of a process. It reads the changes of access from now on: make one for each
 * process, and close it when the process stops.
 * @throws TypeError if an option cannot be used
 */
export function createGuard(options: GuardOptions) {
  refuseWrong(options);
  const { maxStalenessMs = 1000, maxKept = 10_000, timeoutMs = 3000 } = options;
  const { clocks = SYSTEM_CLOCKS, onProblem = () => undefined } = options;
  const { issuer = 'urn:gatehouse', audience = 'gatehouse' } = options;
  const counters = createCounters();
  const outages = createOutages({ clocks, afterMs: maxStalenessMs, onProblem });
  const gatehouse = createGatehouse({
    ...{ url: options.url, serviceKey: options.serviceKey, timeoutMs, clocks, outages },
    fetch: options.fetch ?? fetch,
  });
  const knowledge = createKnowledge({ clocks, maxStalenessMs, maxKept });
  const signatures = createSignatures({
    ...{ gatehouse, issuer, audience, maxKept },
    isListed: (keyId) => knowledge.isListed(keyId),
  });
  const introspector = createIntrospector({
    ...{ gatehouse, knowledge, clocks, maxStalenessMs, maxKept },
    onAsk: counters.asked,
  });
  const line = openChangeLine({
    ...{ gatehouse, knowledge, clocks, maxStalenessMs, timeoutMs, outages },
    onReset: counters.reset,
    onLatency: counters.latency,
  });
  // An answer that is older than the bound is no use for the request that waits for it.
  const waitMs = Math.min(timeoutMs, maxStalenessMs);
  const checks = createDecide({ signatures, introspector, gatehouse, waitMs, onProblem });
  // A property is much cheaper than a WeakMap, whose entries the garbage collector has to follow.
  const sender = Symbol('principal');
  type Admitted = { [sender]?: Principal };

  async function decide(
    authorization: string | undefined,
    need?: Need,
    origin?: Origin,
  ): Promise<Decision> {
    const decision = await checks.decide(authorization, need, origin);
    counters.decided(decision);
    return decision;
  }
  function decideAtOnce(authorization: string | undefined, need: Need): Decision | undefined {
    const decision = checks.decideAtOnce(authorization, need);
    if (decision) counters.decided(decision);
    return decision;
  }
  const parts = {
    decide,
    decideAtOnce,
    note(request: object, principal: Principal) {
      (request as Admitted)[sender] = principal;
    },
  };

  function stats(): GuardStats {
    const covered = knowledge.coveredUntil();
    const stalenessMs = covered === null ? null : Math.max(0, clocks.monotonic() - covered);
    return counters.read({ changes: line.state(), stalenessMs, kept: knowledge.size });
  }

  return {
    /**
     * Decides about a request. It never throws.
     * @param authorization the header of the request
     */
    decide,
    /** Returns who sent a request that one of the guards below has admitted. */
    principalOf(request: object): Principal {
      const principal = (request as Admitted)[sender];
      if (!principal) throw new Error('No guard has admitted this request.');
      return principal;
    },
    /** Middleware for Express 4 and 5. */
    express: createExpressGuards(parts),
    /** Hooks for Fastify's `preHandler`. */
    fastify: createFastifyGuards(parts),
    /** Middleware for Hono. Ask for the principal with `c.req.raw`. */
    hono: createHonoGuards(parts),
    /** For frameworks with the `Request` and `Response` of the Fetch standard. */
    fetch: createFetchGuard(parts),
    /** For servers of `node:http`. */
    node: createNodeGuard(parts),
    stats,
    /** Returns the figures in the text format of Prometheus. */
    metrics: () => toPrometheus(stats()),
    /** Ends the stream. A guard that is closed still decides, and asks for each decision. */
    close: () => line.close(),
  };
}

export type Guard = ReturnType<typeof createGuard>;

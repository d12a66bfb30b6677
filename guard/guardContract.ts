/** The person or program that a request comes from. */
export interface Principal {
  userId: string;
  tenantId: string;
  /** The slug of the tenant. */
  tenant: string;
  staffId: string;
  /** Null for a program, and while Gatehouse has no table of sessions. */
  sessionId: string | null;
  /** The API key, if a program sent the request. */
  apiKeyId: string | null;
  email: string | null;
  name: string | null;
  permissions: readonly string[];
  roles: readonly string[];
  /** How the person signed in (RFC 8176). */
  amr: readonly string[];
  /** `aal2` if a second factor took part in the sign-in, otherwise `aal1`; null for a program. */
  acr: string | null;
  /** When the person signed in, in seconds since 1970; null for a program. */
  authTime: number | null;
  /**
   * The person who really acts, while somebody is impersonated. With the scope `read_only` the guard admits GET
   * and HEAD alone.
   */
  actor: { userId: string; staffId: string; scope: 'read_only' | 'full' } | null;
}

/** An act that a proof guards once. */
export interface Act {
  /** The method and the route in words, for the audit log: `DELETE /projects/:id`. */
  name: string;
  /** SHA-256, in hex, of everything that decides what the act does. */
  digest: string;
}

/** The needs of a request. Everything is checked in the order of these fields. */
export interface Need {
  /** All of them. */
  permissions?: readonly string[];
  /** A fresh proof for a purpose (`app:…`), for a time; the tenant's window, or a shorter one. */
  stepUp?: { purpose: string; windowSec?: number };
  /** A proof for one act, which is used up. */
  consume?: { purpose: string; act: Act };
}

/** The facts about a request besides its credential. */
export interface Origin {
  /**
   * The address of the client, or a function that finds it. Tenants with IP rules and API keys that
   * are bound to addresses need it: without it they are refused.
   */
  address?: string | (() => string | undefined) | undefined;
  /** The method of the request. Without it, nobody who acts as another member to read is admitted. */
  method?: string | undefined;
  /** The id by which this request is found in the logs of both sides. */
  correlationId?: string | undefined;
}

/** An answer for the client. */
export interface Refusal {
  status: 401 | 403 | 428 | 503;
  headers: Readonly<Record<string, string>>;
  /** The body, as JSON. */
  body: Readonly<Record<string, unknown>>;
}

export type Decision =
  | {
      allowed: true;
      principal: Principal;
      /** How old the knowledge behind this decision is, at most. */
      staleForAtMostMs: number;
      /** Whether Gatehouse was asked for this request. */
      source: 'kept' | 'asked';
    }
  | { allowed: false; refusal: Refusal };

/** The clocks of this process. */
export interface Clocks {
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

export interface GuardOptions {
  /** Where Gatehouse is, with or without a path. */
  url: string;
  /** A service key with the scope `introspect`. It is sent to `url` and nowhere else. */
  serviceKey: string;
  /** The bound: no decision rests on older knowledge. The default is 1000, the least 200. */
  maxStalenessMs?: number;
  /** `JWT_ISSUER` of Gatehouse. The default is `urn:gatehouse`. */
  issuer?: string;
  /** `JWT_AUDIENCE` of Gatehouse. The default is `gatehouse`. */
  audience?: string;
  /** How many sessions and keys are kept. The default is 10,000. */
  maxKept?: number;
  /**
   * How long a question may take, in milliseconds. The default is 3000. A request waits no longer
   * than the bound until it is known who sends it.
   */
  timeoutMs?: number;
  /**
   * Called when something is wrong that people should look at: a refused service key at each try, and
   * once in each outage of Gatehouse that is longer than the bound.
   */
  onProblem?: (problem: Error) => void;
  /** For tests. */
  fetch?: typeof fetch;
  /** For tests. */
  clocks?: Clocks;
}

/** The figures of a guard. */
export interface GuardStats {
  /** Decisions by their result: `allowed`, or the status of the refusal. */
  decisions: Readonly<Record<'allowed' | '401' | '403' | '428' | '503', number>>;
  /** Decisions that rested on a kept answer. */
  fromKept: number;
  /** Questions to Gatehouse. */
  introspections: number;
  /** How often everything was forgotten. */
  resets: number;
  /** `stream`, `poll`, or `down` while changes do not arrive. */
  changes: 'stream' | 'poll' | 'down';
  /** How old the knowledge about changes is; null before the first message. */
  stalenessMs: number | null;
  /** How many answers are kept. */
  kept: number;
  /** The time from writing a change until it was applied here, of the last 1000 changes. */
  changeLatencyMs: { p50: number; p99: number; max: number } | null;
}

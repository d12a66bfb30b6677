/** The signed-in staff member behind a request, as the live session check found them. */
export interface Principal {
  readonly tenantId: string;
  readonly userId: string;
  readonly staffId: string;
  /** Null for a token issued while `user_sessions` was missing. */
  readonly sessionId: string | null;
  /** What the token's `sid` says: the session's id, or the token family's where there is no session. */
  readonly sid: string;
  readonly sessionVersion: number;
  readonly permissions: readonly string[];
  readonly email: string;
  readonly tenant: { readonly slug: string; readonly name: string };
}

/** Who acts: a staff id, `system`, or `anonymous` before anybody is signed in. */
export type Actor = string;

/** What every action and every audit event needs to know of the request that caused it. */
export interface RequestContext {
  readonly correlationId: string;
  readonly tenantId: string | null;
  readonly actor: Actor;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly country: string | null;
  readonly userAgent: string | null;
}

/** The current time, injected so that tests move it and never wait. */
export interface Clock {
  now(): Date;
}

/** Chance, injected for the same reason. */
export interface Random {
  bytes(size: number): Buffer;
  /** A UUIDv7 (RFC 9562 5.7): keys sort by time of creation. */
  id(): string;
}

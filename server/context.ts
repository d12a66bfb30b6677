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
  /** The row's id of a login's challenge that speaks for them in place of a session: they may enrol a factor. */
  readonly enrolsBy?: string;
}

/**
 * Who acts: a staff id, `operator:<user>@<host>` on the command line, `system` for what the server does by itself, or
 * `anonymous` before anybody is signed in.
 */
export type Actor = string;

/** Whether an operator acts, or the server for one: no member of any tenant. */
export const isOfOperators = (actor: Actor): boolean =>
  actor === 'system' || actor.startsWith('operator:');

/** What every action and every audit event needs to know of the request that caused it. */
export interface RequestContext {
  readonly correlationId: string;
  /** The client chose the correlation id: it joins events, and proves nothing. */
  readonly correlationIdFrom?: 'client';
  /** The operator's own reason, such as the number of a ticket. */
  readonly ticket?: string;
  readonly tenantId: string | null;
  readonly actor: Actor;
  readonly sessionId: string | null;
  /** Who connected, for the record; for a decision use {@link clientIp}. */
  readonly ip: string | null;
  /** A trusted proxy did not say whose request it is, so that `ip` is the proxy's own. */
  readonly ipOfProxy?: true;
  readonly country: string | null;
  readonly userAgent: string | null;
}

/**
 * The client's address, if it is known. A proxy that does not say for whom it asks is not taken for the client: everybody
 * behind it would be one, the failures of some would refuse them all, and each would be at home where the others are.
 */
export const clientIp = (ctx: RequestContext): string | null => (ctx.ipOfProxy ? null : ctx.ip);

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

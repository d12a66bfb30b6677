import type { ImpersonationScope } from './db/schema';

/** The signed-in staff member behind a request, as the live session check found them. */
export interface Principal {
  readonly tenantId: string;
  readonly userId: string;
  readonly staffId: string;
  /** Null for a token issued while `user_sessions` was missing. */
  readonly sessionId: string | null;
  /** The token's `sid`: the session's id, or the token family's if there is no session. */
  readonly sid: string;
  readonly sessionVersion: number;
  /** The names of built-in roles, and the ids of the tenant's own. */
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly email: string;
  /** The name that the person has given themselves. */
  readonly name: string | null;
  readonly tenant: { readonly slug: string; readonly name: string };
  /**
   * The person has proven themselves in this session, by their own password or mailbox, and not only
   * through a tenant's provider or a key. Without it, what concerns the person in other tenants too
   * is closed.
   */
  readonly ownProof: boolean;
  /**
   * The row id of a login's challenge that identifies them instead of a session: they may only
   * enrol a factor.
   */
  readonly enrolsBy?: string;
  /** The id of the tenant's API key that the caller used instead of a session. */
  readonly apiKeyId?: string;
  /** Somebody else acts as this member. The permissions are then those that both hold. */
  readonly impersonation?: Impersonation;
}

/** The person who really acts, while somebody is impersonated. */
export interface Impersonation {
  readonly id: string;
  readonly scope: ImpersonationScope;
  readonly startedAt: Date;
  /** When it ends by itself, at the latest. */
  readonly endsAt: Date;
  readonly actor: {
    readonly userId: string;
    readonly staffId: string;
    readonly sessionId: string;
    readonly email: string;
    readonly name: string | null;
  };
}

/** A program of the team behind a request, as its service key identified it. */
export interface ServiceCaller {
  readonly keyId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
}

/**
 * The actor of an event: a staff id, `operator:<user>@<host>` for a command, `service:<key id>` for
 * a program of the team, `system` for the server itself, or `anonymous` before anybody is signed in.
 */
export type Actor = string;

/** Returns whether the actor is a program of the team that used a service key. */
export const isService = (actor: Actor): boolean => actor.startsWith('service:');

/** Returns whether the actor is an operator, their program or the server, and not a member. */
export const isOfOperators = (actor: Actor): boolean =>
  actor === 'system' || actor.startsWith('operator:') || isService(actor);

/** The facts about a request that actions and audit events need. */
export interface RequestContext {
  readonly correlationId: string;
  /** The client chose the correlation id: it links events, but proves nothing. */
  readonly correlationIdFrom?: 'client';
  /** The operator's own reference, such as a ticket number. */
  readonly ticket?: string;
  readonly tenantId: string | null;
  readonly actor: Actor;
  /** The staff id of the member as whom the actor acts, and the id of that impersonation. */
  readonly onBehalfOf?: { readonly staffId: string; readonly impersonationId: string };
  readonly sessionId: string | null;
  /** The tenant's API key that caused it; the actor is then the key's holder. */
  readonly apiKeyId?: string;
  /** The address that connected, for the record; for decisions use {@link clientIp}. */
  readonly ip: string | null;
  /** A trusted proxy did not send the client's address, so `ip` is the proxy's own. */
  readonly ipOfProxy?: true;
  readonly country: string | null;
  readonly userAgent: string | null;
}

/**
 * Returns the context of work that the server or a command does by itself: no request, no tenant,
 * and `system` as the actor.
 * @param correlationId an id from the injected `random`, or the name of the work
 */
export const systemContext = (correlationId: string): RequestContext => ({
  correlationId,
  tenantId: null,
  actor: 'system',
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
});

/**
 * Returns the client's address, if it is known. A proxy that hides its clients must not be taken
 * for one client: the failures of some would block all of them, and each would look familiar in the
 * place of the others.
 */
export const clientIp = (ctx: RequestContext): string | null => (ctx.ipOfProxy ? null : ctx.ip);

/** The current time, injected so that tests can set it and need not wait. */
export interface Clock {
  now(): Date;
}

/** The source of randomness, injected for the same reason. */
export interface Random {
  bytes(size: number): Buffer;
  /** A UUIDv7 (RFC 9562 5.7): ids sort by time of creation. */
  id(): string;
}

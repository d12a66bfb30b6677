/** An attempt to judge: a login whose password was right, or a refresh whose token was valid. */
export interface Attempt {
  at: 'login' | 'refresh';
  now: Date;
  /** ISO 3166-1 alpha-2, or null if the address has no known country. */
  country: string | null;
  /** The network of the address, as {@link networkOf} names it; null if unknown. */
  network: string | null;
  /** The hashes that identify the device, strongest first; empty if there are none. */
  deviceHashes: readonly string[];
  /** Failed logins of the account in the current window. */
  recentFailures: number;
  /** The number of accounts on which logins from this address have failed in the current window. */
  accountsTried: number;
  /** The operator's lists that contain the address. */
  lists: readonly string[];
  /** The session that a refresh continues; null for a login, and if `user_sessions` is missing. */
  session: SessionOrigin | null;
}

/** The stored origin of a session: that of its login, or of a later proof at a refresh. */
export interface SessionOrigin {
  id: string;
  /** Null if unknown. */
  country: string | null;
  /** As {@link networkOf} names it; null if unknown. */
  network?: string | null;
  /** The hashes that identified the device, strongest first; empty if unknown. */
  deviceHashes: readonly string[];
  /** True if a second proof was given from there. */
  proven?: boolean;
}

/**
 * Returns whether a refresh comes from an origin that a proof has confirmed: the same network,
 * country and device. The device must show the strongest hash that it showed then: a user agent
 * alone does not replace a cookie.
 */
export function isAtProvenHome({ at, session, country, network, deviceHashes }: Attempt): boolean {
  if (at !== 'refresh' || !session?.proven) return false;
  const [device] = deviceHashes;
  return (
    session.country === country &&
    (session.network ?? null) === network &&
    device !== undefined &&
    device === session.deviceHashes[0]
  );
}

/**
 * The history of a staff member, learnt from successful logins. Its size is bounded, whatever their
 * number.
 */
export interface History {
  readonly deviceHashes: ReadonlySet<string>;
  /** By country: when it was last seen, in milliseconds since 1970. */
  readonly countries: ReadonlyMap<string, number>;
  /** By network: when it was last seen, in milliseconds since 1970. */
  readonly networks: ReadonlyMap<string, number>;
  /** Logins by hour of the day in UTC, 24 numbers; empty if none was counted. */
  readonly hours: readonly number[];
  /** The last successful login, in milliseconds since 1970. */
  readonly lastLoginAt: number | null;
  /** The unrevoked sessions that were active most recently. */
  readonly sessions: readonly { id: string; country: string | null; lastSeenAt: number }[];
}

/**
 * The facts that a signal saw, for people to read: small, and never an address, a cookie or a
 * token.
 */
export type Sight = Readonly<Record<string, string | number>>;

/** One reason to doubt an attempt. */
export interface Signal {
  /** The reason code, `UPPER_SNAKE`: used in answers, audit events and decisions. */
  code: string;
  /** The default weight in the score; a tenant's policy may replace it. */
  weight: number;
  /**
   * True if it doubts the device, the network or the country. It is not checked at a session's
   * proven origin.
   */
  doubtsPlace?: true;
  /**
   * Codes that report the same thing with more weight; their weight is subtracted from this one's.
   */
  unless?: readonly string[];
  /** @returns what it saw, or null if there is nothing to doubt */
  look(attempt: Attempt, history: History): Sight | null;
}

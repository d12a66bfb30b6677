/** What asks to be let in: a login whose password was right, or a refresh whose token was good. */
export interface Attempt {
  at: 'login' | 'refresh';
  now: Date;
  /** ISO 3166-1 alpha-2, or null where the address says nothing. */
  country: string | null;
  /** The network that the address belongs to, as {@link networkOf} names it; null where it says nothing. */
  network: string | null;
  /** What identifies the device, best first; empty where nothing does. */
  deviceHashes: readonly string[];
  /** Failed logins of the account in the current window. */
  recentFailures: number;
  /** Accounts that logins from this address have failed on in the current window. */
  accountsTried: number;
  /** The operator's lists that hold the address. */
  lists: readonly string[];
  /** The session that a refresh goes on with; null for a login, and where `user_sessions` is missing. */
  session: SessionOrigin | null;
}

/** Where and on what a session is at home: it began there, or a proof at a refresh moved it there. */
export interface SessionOrigin {
  id: string;
  /** Null where that is not known. */
  country: string | null;
  /** As {@link networkOf} names it; null if that is not known. */
  network?: string | null;
  /** What identified the device, best first; empty where that is not known. */
  deviceHashes: readonly string[];
  /** A second proof was given from there. */
  proven?: boolean;
}

/**
 * Whether a refresh comes from where its session is at home by a proof: the same network, country and device. The device
 * must show the best that it showed then: a user agent alone does not stand for a cookie.
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

/** What is known of a staff member, from logins that succeeded: bounded, whatever their number. */
export interface History {
  readonly deviceHashes: ReadonlySet<string>;
  /** By country: when it was last seen, in milliseconds since 1970. */
  readonly countries: ReadonlyMap<string, number>;
  /** By network: when it was last seen, in milliseconds since 1970. */
  readonly networks: ReadonlyMap<string, number>;
  /** Logins by hour of the day in UTC, 24 of them; empty where none was counted. */
  readonly hours: readonly number[];
  /** The last login that succeeded, in milliseconds since 1970. */
  readonly lastLoginAt: number | null;
  /** Live sessions that were active of late. */
  readonly sessions: readonly { id: string; country: string | null; lastSeenAt: number }[];
}

/** What a signal saw, for people: small, and never an address, a cookie or a token. */
export type Sight = Readonly<Record<string, string | number>>;

/** One reason to doubt an attempt. */
export interface Signal {
  /** The reason code, `UPPER_SNAKE`: in answers, audit events and decisions. */
  code: string;
  /** What it adds to the score; a tenant's policy may say otherwise. */
  weight: number;
  /** It doubts the device, the network or the country. It is not asked about a session's proven home. */
  doubtsPlace?: true;
  /** Codes that say the same thing with more weight: what they add is taken off what this one adds. */
  unless?: readonly string[];
  /** @returns what it saw, or null where there is nothing to doubt */
  look(attempt: Attempt, history: History): Sight | null;
}

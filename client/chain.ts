/** A session as the tabs share it: the newest token of its chain of refresh tokens. */
export interface Chain {
  /** Identifies this sign-in among the tabs. It is a random value that the server never sees. */
  readonly session: string;
  readonly since: number;
  /** How often the session has been refreshed. */
  readonly n: number;
  /** Undefined if the browser keeps the token in a cookie, which no script can read. */
  readonly refreshToken?: string | undefined;
  /** The server's id of the session. */
  readonly sid?: unknown;
  /**
   * The Idempotency-Key with which this token will be spent. It is created with the token and
   * shared with it, so a tab that takes over a refresh has the key before the first request is
   * sent.
   */
  readonly key: string;
  /** When the token was first sent, if no answer has arrived since. The token may be spent. */
  readonly sentAt?: number | undefined;
  readonly access?: Access | undefined;
}

interface Access {
  readonly token: string;
  /**
   * When the token expires by the clock of this machine, counted from the request. `exp` follows
   * the clock of the server.
   */
  readonly until: number;
  readonly ttl: number;
}

/**
 * How long the server answers a spent token with its unused successor (ten minutes), minus the time
 * that a request may take.
 */
const ASK_AGAIN_MS = 590_000;

export const randomId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/**
 * Returns the member that identifies the session to the server: the token, or a flag that the
 * cookie holds it.
 */
export const secretOf = ({ refreshToken }: Pick<Chain, 'refreshToken'>) =>
  refreshToken ? { refreshToken } : { refreshCookie: true };

/**
 * Reads the tokens from the body of a 200 or a 428. A refresh token in a cookie is not in the body.
 */
export function readTokens(
  body: Readonly<Record<string, unknown>>,
  askedAt: number,
): Pick<Chain, 'refreshToken' | 'sid' | 'key' | 'access'> {
  const { refreshToken, accessToken: token, expiresIn, sessionId: sid } = body;
  const ttl = Number(expiresIn) * 1000 || 0;
  const access = typeof token === 'string' ? { token, until: askedAt + ttl, ttl } : undefined;
  return { refreshToken: refreshToken as string | undefined, sid, key: randomId(), access };
}

/** Chooses between the chain of this tab and one from another tab or from storage. */
export function newest(known: Chain | undefined, received: Chain): Chain {
  if (!known) return received;
  if (known.session !== received.session) {
    // All tabs must choose the same session, even if two sign-ins happened in the same millisecond.
    const later = received.since - known.since || (received.session > known.session ? 1 : -1);
    return later > 0 ? received : known;
  }
  if (known.n !== received.n) return received.n > known.n ? received : known;
  // Two tabs may create different keys for the same token. All tabs must settle on one, which has
  // to be the one that was sent.
  const rank = (chain: Chain) => (chain.sentAt ? '0' : '1') + chain.key;
  const own = known.key !== received.key && rank(known) < rank(received);
  const longer = (received.access?.until ?? 0) >= (known.access?.until ?? 0) ? received : known;
  return { ...(own ? known : received), access: longer.access };
}

/**
 * Returns whether it is too late to send this token again. If the clock was set back, nobody can
 * know how long ago the token was sent, so the absolute difference counts. A cookie may be newer
 * than the chain of this tab, and with the right key it never looks like a theft, so the server
 * decides then.
 */
export const isUncertain = ({ sentAt, refreshToken }: Chain, now: number): boolean =>
  sentAt !== undefined && refreshToken !== undefined && Math.abs(now - sentAt) > ASK_AGAIN_MS;

/**
 * @param jitter a value from 0 to 1 that each tab draws for itself, so that the tabs do not all
 *   start at the same time
 */
export function isDue({ access }: Chain, now: number, jitter: number): boolean {
  if (!access) return true;
  const lead = Math.min(60_000, access.ttl * 0.3) * (1 - jitter / 2);
  return now >= access.until - lead;
}

export const isUsable = ({ access }: Chain, now: number): boolean =>
  access !== undefined && now < access.until;

/**
 * Returns what storage may hold. For a session with a cookie this is a mark without any token, and
 * the key is included only while an answer is missing. Together with the cookie, a copied key would
 * make the owner's next refresh look like a late refresh of the thief.
 */
export function toStored(chain: Chain): string {
  const { key, sentAt } = chain;
  const mark = { ...chain, access: undefined, key: sentAt === undefined ? undefined : key };
  return JSON.stringify(chain.refreshToken ? chain : mark);
}

/**
 * The content of storage: a session, or the name of a session whose end the server must still be
 * informed of.
 */
export interface Stored {
  chain?: Chain | undefined;
  ended?: string | undefined;
}

export const toEnded = (ended: string): string => JSON.stringify({ ended });

/** @returns an empty object if the value is neither a session nor an end */
export function parseStored(value: string | null | undefined): Stored {
  try {
    const stored = JSON.parse(value ?? '') as (Chain & Stored) | null;
    if (!stored?.session) return { ended: stored?.ended };
    return { chain: { ...stored, key: stored.key || randomId() } };
  } catch {
    return {};
  }
}

/** A session as the tabs share it: the newest link of its chain of refresh tokens. */
export interface Chain {
  /** Names this sign-in; drawn here, the server does not know it. */
  readonly session: string;
  readonly since: number;
  /** How often it has been refreshed. */
  readonly n: number;
  /** Undefined if the browser has it in a cookie, which no script can read. */
  readonly refreshToken?: string | undefined;
  /** The server's name for the session. */
  readonly sid?: unknown;
  /**
   * The Idempotency-Key with which this very token will be spent. It is drawn with the token and travels with it: whoever takes
   * a refresh over knows it before the first request is sent.
   */
  readonly key: string;
  /** When the token was first sent without an answer that has come since: it may be spent. */
  readonly sentAt?: number | undefined;
  readonly access?: Access | undefined;
}

interface Access {
  readonly token: string;
  /** By this machine's clock, counted from the request: `exp` is by the server's. */
  readonly until: number;
  readonly ttl: number;
}

/** How long the server answers a spent token with its unused successor (ten minutes), less what a request may take. */
const ASK_AGAIN_MS = 590_000;

export const randomId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** What says to the server which session is meant: the token, or that the cookie is. */
export const secretOf = ({ refreshToken }: Pick<Chain, 'refreshToken'>) =>
  refreshToken ? { refreshToken } : { refreshCookie: true };

/** What a 200 or a 428 brings beside the cookie, if there is one. */
export function readTokens(
  body: Readonly<Record<string, unknown>>,
  askedAt: number,
): Pick<Chain, 'refreshToken' | 'sid' | 'key' | 'access'> {
  const { refreshToken, accessToken: token, expiresIn, sessionId: sid } = body;
  const ttl = Number(expiresIn) * 1000 || 0;
  const access = typeof token === 'string' ? { token, until: askedAt + ttl, ttl } : undefined;
  return { refreshToken: refreshToken as string | undefined, sid, key: randomId(), access };
}

/** What this tab knows, put together with what it hears from another or from storage. */
export function newest(known: Chain | undefined, heard: Chain): Chain {
  if (!known) return heard;
  if (known.session !== heard.session) {
    // Every tab must come to the same one, those that signed in within a millisecond too.
    const later = heard.since - known.since || (heard.session > known.session ? 1 : -1);
    return later > 0 ? heard : known;
  }
  if (known.n !== heard.n) return heard.n > known.n ? heard : known;
  // Two tabs may draw keys for the same token: all must end with the same one, which is the one that was sent.
  const rank = (chain: Chain) => (chain.sentAt ? '0' : '1') + chain.key;
  const own = known.key !== heard.key && rank(known) < rank(heard);
  const longer = (heard.access?.until ?? 0) >= (known.access?.until ?? 0) ? heard : known;
  return { ...(own ? known : heard), access: longer.access };
}

/**
 * Whether it is too late to ask with this token again. A clock that was put back says nothing of how long it has been. The
 * cookie may be newer than this tab knows, and with the right key it is never a theft: the server says what it is.
 */
export const isUncertain = ({ sentAt, refreshToken }: Chain, now: number): boolean =>
  sentAt !== undefined && refreshToken !== undefined && Math.abs(now - sentAt) > ASK_AGAIN_MS;

/** @param jitter 0 to 1, a tab's own: so that tabs do not all begin at once */
export function isDue({ access }: Chain, now: number, jitter: number): boolean {
  if (!access) return true;
  const lead = Math.min(60_000, access.ttl * 0.3) * (1 - jitter / 2);
  return now >= access.until - lead;
}

export const isUsable = ({ access }: Chain, now: number): boolean =>
  access !== undefined && now < access.until;

/**
 * What a storage may hold. Of a session with a cookie that is a mark without any token, and the key only while an answer is
 * missing: together with the cookie, a copied key would make the owner's next refresh look like a late one of the thief's.
 */
export function toStored(chain: Chain): string {
  const { key, sentAt } = chain;
  const mark = { ...chain, access: undefined, key: sentAt === undefined ? undefined : key };
  return JSON.stringify(chain.refreshToken ? chain : mark);
}

/** What a storage holds: a session, or the name of one that has ended and of which the server has yet to be told. */
export interface Stored {
  chain?: Chain | undefined;
  ended?: string | undefined;
}

export const toEnded = (ended: string): string => JSON.stringify({ ended });

/** @returns neither a chain nor an end for what is none */
export function parseStored(value: string | null | undefined): Stored {
  try {
    const stored = JSON.parse(value ?? '') as (Chain & Stored) | null;
    if (!stored?.session) return { ended: stored?.ended };
    return { chain: { ...stored, key: stored.key || randomId() } };
  } catch {
    return {};
  }
}

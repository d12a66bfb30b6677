/** A session as the tabs share it: the newest link of its chain of refresh tokens. */
export interface Chain {
  /** Names this sign-in; drawn here, the server does not know it. */
  readonly session: string;
  readonly since: number;
  /** How often it has been refreshed. */
  readonly n: number;
  readonly refreshToken: string;
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

/** What a 200 or a 428 brings; undefined where it brings no refresh token. */
export function readTokens(
  body: Readonly<Record<string, unknown>>,
  askedAt: number,
): Pick<Chain, 'refreshToken' | 'key' | 'access'> | undefined {
  const { refreshToken, accessToken, expiresIn } = body;
  if (typeof refreshToken !== 'string') return undefined;
  const key = randomId();
  if (typeof accessToken !== 'string') return { refreshToken, key };
  const ttl = Number(expiresIn) * 1000 || 0;
  return { refreshToken, key, access: { token: accessToken, until: askedAt + ttl, ttl } };
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
  // Two tabs without locks may get the same successor at once: both must end with the same key for it.
  const key = known.key < heard.key ? known.key : heard.key;
  const longer = (heard.access?.until ?? 0) >= (known.access?.until ?? 0) ? heard : known;
  return { ...heard, key, access: longer.access };
}

/** Whether it is too late to ask with this token again. A clock that was put back says nothing of how long it has been. */
export const isUncertain = (chain: Chain, now: number): boolean =>
  chain.sentAt !== undefined && Math.abs(now - chain.sentAt) > ASK_AGAIN_MS;

/** @param jitter 0 to 1, a tab's own: so that tabs do not all begin at once */
export function isDue({ access }: Chain, now: number, jitter: number): boolean {
  if (!access) return true;
  const lead = Math.min(60_000, access.ttl * 0.3) * (1 - jitter / 2);
  return now >= access.until - lead;
}

export const isUsable = ({ access }: Chain, now: number): boolean =>
  access !== undefined && now < access.until;

/** @returns undefined for what is no chain */
export function parseChain(value: unknown): Chain | undefined {
  try {
    const chain = (typeof value === 'string' ? JSON.parse(value) : value) as Chain | null;
    const whole = chain && chain.session && chain.refreshToken && chain.key;
    return whole ? chain : undefined;
  } catch {
    return undefined;
  }
}

/** Of the Web Locks API, what is used here. */
export interface Locks {
  request<T>(
    name: string,
    options: { mode?: 'shared' | 'exclusive' },
    work: () => Promise<T>,
  ): Promise<T>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/** Of Web Authentication. */
interface PasskeyApi {
  parseRequestOptionsFromJSON?(options: unknown): unknown;
}

interface Credentials {
  get(options: { publicKey: unknown; signal: AbortSignal }): Promise<{ toJSON?(): unknown } | null>;
}

export interface Channel {
  postMessage(message: unknown): void;
  close(): void;
  addEventListener(type: 'message', hear: (event: { data: unknown }) => void): void;
}

/** What a tab offers. Locks and credentials are missing where a page is not served securely. */
export interface Browser {
  fetch: typeof fetch;
  origin: string;
  onLine(): boolean;
  goTo(url: string): void;
  openChannel?(name: string): Channel;
  locks?: Locks;
  credentials?: Credentials;
  passkeys?: PasskeyApi;
}

interface Globals {
  location?: { origin: string; assign(url: string): void };
  navigator?: { locks?: Locks; credentials?: Credentials; onLine?: boolean };
  BroadcastChannel?: new (name: string) => Channel;
  PublicKeyCredential?: PasskeyApi;
}

/** The tab that this runs in. */
export function thisBrowser(): Browser {
  const { location, navigator, BroadcastChannel, PublicKeyCredential } =
    globalThis as unknown as Globals;
  return {
    fetch: (...request) => globalThis.fetch(...request),
    origin: location?.origin ?? 'http://localhost',
    onLine: () => navigator?.onLine !== false,
    goTo: (url) => location?.assign(url),
    ...(BroadcastChannel && { openChannel: (name) => new BroadcastChannel(name) }),
    ...(navigator?.locks && { locks: navigator.locks }),
    ...(navigator?.credentials && { credentials: navigator.credentials }),
    ...(PublicKeyCredential && { passkeys: PublicKeyCredential }),
  };
}

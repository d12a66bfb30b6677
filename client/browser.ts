/** Of the Web Locks API, what is used here. */
export interface Locks {
  request<T>(
    name: string,
    options: { mode?: 'shared' | 'exclusive'; signal?: AbortSignal | undefined },
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
  /** What relative URLs of the page are relative to. */
  pageUrl(): string;
  onLine(): boolean;
  goTo(url: string): void;
  /** Says aloud what went wrong in the application's own code. */
  report(error: unknown): void;
  /** Calls back when the page is shown again from where it heard nothing of the other tabs. */
  onReturn?(back: () => void): void;
  openChannel?(name: string): Channel;
  /** What all tabs of the origin share. Where a page may keep nothing, asking for it throws. */
  storage(): { getItem(name: string): string | null; setItem(name: string, value: string): void };
  locks?: Locks;
  credentials?: Credentials;
  passkeys?: PasskeyApi;
}

interface Globals {
  location?: { origin: string; href: string; assign?(url: string): void };
  document?: { baseURI: string };
  localStorage: ReturnType<Browser['storage']>;
  addEventListener?(type: 'pageshow', hear: (event: { persisted: boolean }) => void): void;
  reportError?(error: unknown): void;
  navigator?: { locks?: Locks; credentials?: Credentials; onLine?: boolean };
  BroadcastChannel?: new (name: string) => Channel;
  PublicKeyCredential?: PasskeyApi;
}

/** The tab that this runs in. */
export function thisBrowser(): Browser {
  const page = globalThis as unknown as Globals;
  const { location, navigator, BroadcastChannel, PublicKeyCredential } = page;
  return {
    fetch: (...request) => globalThis.fetch(...request),
    origin: location?.origin ?? 'http://localhost',
    onLine: () => navigator?.onLine !== false,
    pageUrl: () => page.document?.baseURI ?? location?.href ?? 'http://localhost',
    // A worker has a location and cannot leave it.
    goTo: (url) => location?.assign?.(url),
    storage: () => page.localStorage,
    report: (error) => page.reportError?.(error),
    onReturn: (back) =>
      page.addEventListener?.('pageshow', ({ persisted }) => void (persisted && back())),
    ...(BroadcastChannel && { openChannel: (name) => new BroadcastChannel(name) }),
    ...(navigator?.locks && { locks: navigator.locks }),
    ...(navigator?.credentials && { credentials: navigator.credentials }),
    ...(PublicKeyCredential && { passkeys: PublicKeyCredential }),
  };
}

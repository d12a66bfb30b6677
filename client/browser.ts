/** The part of the Web Locks API that the client uses. */
export interface Locks {
  request<T>(
    name: string,
    options: { mode?: 'shared' | 'exclusive'; signal?: AbortSignal | undefined },
    work: () => Promise<T>,
  ): Promise<T>;
  query(): Promise<{ held?: { name?: string }[] }>;
}

/** The part of Web Authentication that the client uses. */
interface PasskeyApi {
  parseRequestOptionsFromJSON?(options: unknown): unknown;
}

interface Credentials {
  get(options: { publicKey: unknown; signal: AbortSignal }): Promise<{ toJSON?(): unknown } | null>;
}

export interface Channel {
  postMessage(message: unknown): void;
  close(): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

/**
 * The functions that a tab offers. Locks and credentials are missing if the page is not served over
 * a secure connection.
 */
export interface Browser {
  fetch: typeof fetch;
  origin: string;
  /** Returns the URL against which the page resolves relative URLs. */
  pageUrl(): string;
  onLine(): boolean;
  goTo(url: string): void;
  /** Reports an error of the application's own code. */
  report(error: unknown): void;
  /**
   * Calls back when the page is restored from the back/forward cache. It received no messages of
   * other tabs in there.
   */
  onReturn?(back: () => void): void;
  openChannel?(name: string): Channel;
  /**
   * Returns the storage that all tabs of the origin share. It throws if the page may not store
   * anything.
   */
  storage(): { getItem(name: string): string | null; setItem(name: string, value: string): void };
  locks?: Locks;
  credentials?: Credentials;
  passkeys?: PasskeyApi;
}

interface Globals {
  location?: { origin: string; href: string; assign?(url: string): void };
  document?: { baseURI: string };
  localStorage: ReturnType<Browser['storage']>;
  addEventListener?(type: 'pageshow', listener: (event: { persisted: boolean }) => void): void;
  reportError?(error: unknown): void;
  navigator?: { locks?: Locks; credentials?: Credentials; onLine?: boolean };
  BroadcastChannel?: new (name: string) => Channel;
  PublicKeyCredential?: PasskeyApi;
}

/** Returns the tab in which this code runs. */
export function thisBrowser(): Browser {
  const page = globalThis as unknown as Globals;
  const { location, navigator, BroadcastChannel, PublicKeyCredential } = page;
  return {
    fetch: (...request) => globalThis.fetch(...request),
    origin: location?.origin ?? 'http://localhost',
    onLine: () => navigator?.onLine !== false,
    pageUrl: () => page.document?.baseURI ?? location?.href ?? 'http://localhost',
    // A worker has a location, but cannot navigate.
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

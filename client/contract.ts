/** The second proofs that Gatehouse accepts. */
export type StepUpMethod = 'passkey' | 'totp' | 'recovery_code' | 'email';

/** Why a person is asked for a second proof, and which proofs they can give. */
export interface StepUpRequest {
  /** `security_settings`, `data_export`, `impersonation`, or one of your own: `app:…`. */
  readonly purpose: string;
  /** The methods that this person can use, strongest first. */
  readonly methods: readonly StepUpMethod[];
  /** The risk score from 0 to 100, if the score caused the question. */
  readonly score: number | undefined;
  readonly reasons: readonly string[];
  /**
   * Why the person is asked again. From the server: `INVALID_CODE`, `INVALID_INPUT` or
   * `INVALID_PASSKEY`. From the client: `PASSKEY_FAILED` if no passkey was used,
   * `PASSKEY_UNSUPPORTED` if the browser does not support passkeys.
   */
  readonly error: string | undefined;
  /** How many tries the challenge still allows, after a failed try. */
  readonly attemptsLeft: number | undefined;
  /** Aborted when the session ends. Close your prompt then. */
  readonly signal: AbortSignal;
  /** Sends a code by e-mail, for the method `email`. */
  sendMail(): Promise<void>;
}

/** A code, or the choice to use a passkey. Return nothing if the person dismissed the prompt. */
export type StepUpAnswer = string | { readonly method: 'passkey' } | null | undefined;

/**
 * Why a session ended.
 * - `security`: FORCE_LOGOUT.
 * - `expired`: the server no longer accepts the refresh token.
 * - `signed_out`: somebody signed out, in this tab or in another.
 * - `answer_lost`: the refresh token may be spent and its successor never arrived. To send it again
 *   would look like a theft.
 */
export type SignedOutReason = 'security' | 'expired' | 'signed_out' | 'answer_lost';

/**
 * Keeps a session after the last tab was closed. All tabs of the origin share it. The values are
 * secret.
 */
export interface SessionStorage {
  load(): string | null | Promise<string | null>;
  /** Receives null when the session has ended. */
  save(value: string | null): void | Promise<void>;
}

export interface GatehouseOptions {
  /**
   * Asks the person for a second proof. The client calls it again after a wrong code, at most five
   * times in all.
   */
  onStepUp(request: StepUpRequest): StepUpAnswer | Promise<StepUpAnswer>;
  /** Called once in every tab when the session ends. */
  onSignedOut?(ended: { reason: SignedOutReason }): void;
  /**
   * The URL of Gatehouse, with or without a path. The default is the page's own origin. The client
   * sends tokens only to URLs below it, and below `apiUrls`.
   */
  baseUrl?: string;
  /**
   * The URLs of your own APIs, if they are not below `baseUrl`. Requests below them get the bearer
   * token, and a 401 or 428 of theirs is answered in the same way.
   */
  apiUrls?: readonly string[];
  /**
   * Keeps the refresh token in an HttpOnly cookie. A reload then keeps the person signed in, and no
   * script can read the token. Gatehouse must run on the page's own site.
   */
  refreshCookie?: boolean;
  /**
   * The page that a tab opens on FORCE_LOGOUT, with `?reason=security` added. The default is
   * `/login`; `false` stays on the page.
   */
  loginUrl?: string | false;
  /**
   * Keeps the tokens. Without it they are only in memory. With `refreshCookie` it holds no token,
   * and the default is `localStorage`.
   */
  storage?: SessionStorage;
  /**
   * How long, in milliseconds, a request of the client itself may take before its answer counts as
   * lost. The default is ten seconds.
   */
  timeoutMs?: number;
}

export interface Credentials {
  email: string;
  password: string;
  /** The slug or id of a tenant, after `TENANT_SELECTION_REQUIRED`. */
  tenant?: string;
  rememberMe?: boolean;
}

export interface GatehouseClient {
  /**
   * Returns whether there is a session, in this tab or in another. It asks storage, the other tabs
   * and, with `refreshCookie`, the server.
   */
  ready(): Promise<boolean>;
  /** Whether this tab has a session now. */
  readonly signedIn: boolean;
  /**
   * Signs a person in and replaces the session that was there. Asks for a second proof if one is
   * needed.
   * @throws GatehouseError with the server's code, or STEP_UP_DISMISSED
   */
  signIn(credentials: Credentials): Promise<void>;
  /** Ends the session in every tab, and on the server if that can be reached in time. */
  signOut(options?: { everywhere?: boolean }): Promise<void>;
  /**
   * Works like the browser's fetch, and adds a bearer token to requests below `baseUrl` or one of `apiUrls`. On a 401
   * it refreshes the session once, on a 428 it asks the person. It then repeats the request once,
   * unless the request can only be sent once.
   * @throws GatehouseError if the session could not be refreshed; TypeError as `fetch` does
   */
  fetch: typeof fetch;
  /**
   * Returns a bearer token that is still valid, for uses that `fetch` does not cover. Returns
   * undefined without a session.
   */
  accessToken(): Promise<string | undefined>;
  /** Disconnects this client from the other tabs. The session goes on. */
  close(): void;
}

/** A refusal or a failure. Use `code` to decide how to react. */
export class GatehouseError extends Error {
  /**
   * @param code the server's code, or NETWORK, UNAVAILABLE, SIGNED_OUT, STEP_UP_DISMISSED,
   *   STEP_UP_FAILED, or HTTP_ and the status
   * @param status the status of the answer; 0 if there was none
   * @param body the body of the answer
   * @param retryAfterMs how long to wait in milliseconds, if that is known
   */
  constructor(
    readonly code: string,
    readonly status = 0,
    readonly body: Readonly<Record<string, unknown>> = {},
    readonly retryAfterMs?: number | undefined,
  ) {
    super(code);
    this.name = 'GatehouseError';
  }
}

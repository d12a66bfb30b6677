/** What Gatehouse accepts as a second proof. */
export type StepUpMethod = 'passkey' | 'totp' | 'recovery_code' | 'email';

/** Why a person is asked for a second proof, and what they can prove with. */
export interface StepUpRequest {
  /** `security_settings`, `data_export` or `impersonation`. */
  readonly purpose: string;
  /** What this person can do, strongest first. */
  readonly methods: readonly StepUpMethod[];
  /** 0 to 100, where a score asked for the proof. */
  readonly score: number | undefined;
  readonly reasons: readonly string[];
  /**
   * Why it asks again: `INVALID_CODE`, `INVALID_INPUT` or `INVALID_PASSKEY` from the server; `PASSKEY_FAILED` where nobody touched
   * one, `PASSKEY_UNSUPPORTED` where the browser has none.
   */
  readonly error: string | undefined;
  /** How many tries the challenge has, where one was lost. */
  readonly attemptsLeft: number | undefined;
  /** Aborted when the session ends: close the prompt. */
  readonly signal: AbortSignal;
  /** Has the code sent by mail: for the method `email`. */
  sendMail(): Promise<void>;
}

/** A code, or the wish to use a passkey; nothing where the person dismissed the prompt. */
export type StepUpAnswer = string | { readonly method: 'passkey' } | null | undefined;

/**
 * Why a session ended. `security`: FORCE_LOGOUT. `expired`: the server no longer knows the refresh token.
 * `signed_out`: somebody signed out, in this tab or another. `answer_lost`: the refresh token may be spent, its successor never came,
 * and asking again would look like a theft.
 */
export type SignedOutReason = 'security' | 'expired' | 'signed_out' | 'answer_lost';

/** Keeps a session beyond the life of the last tab. One for all tabs of the origin. What it is given is secret. */
export interface SessionStorage {
  load(): string | null | Promise<string | null>;
  /** Null when the session has ended. */
  save(value: string | null): void | Promise<void>;
}

export interface GatehouseOptions {
  /** Asks the person for a second proof. It is called again after a wrong code, five times at most. */
  onStepUp(request: StepUpRequest): StepUpAnswer | Promise<StepUpAnswer>;
  /** Called once in every tab when the session ends. */
  onSignedOut?(ended: { reason: SignedOutReason }): void;
  /** Where Gatehouse is, with a path or without; the page's own origin unless given. Nothing outside of it gets a token. */
  baseUrl?: string;
  /**
   * Keeps the refresh token in an HttpOnly cookie, so that a reload keeps the person signed in and no script sees the
   * token. Needs Gatehouse on the page's own site.
   */
  refreshCookie?: boolean;
  /** Where a tab goes on FORCE_LOGOUT, with `?reason=security`; `false` to stay. `/login` unless given. */
  loginUrl?: string | false;
  /** Tokens live in memory alone unless this is given. With `refreshCookie` it holds no token, and is `localStorage` unless given. */
  storage?: SessionStorage;
  /** How long a call of the client's own may take before its answer counts as lost; ten seconds unless given. */
  timeoutMs?: number;
}

export interface Credentials {
  email: string;
  password: string;
  /** Slug or id, after `TENANT_SELECTION_REQUIRED`. */
  tenant?: string;
  rememberMe?: boolean;
}

export interface GatehouseClient {
  /** Whether there is a session, here or in another tab: asks storage, the other tabs, and with `refreshCookie` the server. */
  ready(): Promise<boolean>;
  /** Whether this tab knows of a session now. */
  readonly signedIn: boolean;
  /**
   * Signs in, in place of whoever was; asks for a second proof where one is needed.
   * @throws GatehouseError with the server's code, or STEP_UP_DISMISSED
   */
  signIn(credentials: Credentials): Promise<void>;
  /** Ends the session on the server, as far as it can be reached in time, and in every tab. */
  signOut(options?: { everywhere?: boolean }): Promise<void>;
  /**
   * As the browser's own, with a bearer for what is below `baseUrl`. A 401 is answered by one refresh, a 428 by a question to
   * the person, and either by one repetition; what cannot be sent twice is sent once.
   * @throws GatehouseError where the session could not be refreshed, TypeError as `fetch` does
   */
  fetch: typeof fetch;
  /** A bearer that has time left, for what `fetch` is not for; undefined without a session. */
  accessToken(): Promise<string | undefined>;
  /** Lets go of the other tabs; the session goes on. */
  close(): void;
}

/** A refusal or a fault; look at `code` to decide what to do. */
export class GatehouseError extends Error {
  /**
   * @param code the server's, or NETWORK, UNAVAILABLE, SIGNED_OUT, STEP_UP_DISMISSED, STEP_UP_FAILED, HTTP_ and the status
   * @param status of the answer; 0 where there was none
   * @param body of the answer
   * @param retryAfterMs how long to wait, where that is known
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

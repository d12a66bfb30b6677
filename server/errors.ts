/**
 * The error catalogue: every code that a client can get, with its status and title. `fixed` marks
 * bodies that product contracts fix: plain JSON with `error`, not a problem document.
 */
export const ERRORS = {
  // Contracts that frontends rely on; tests pin their bodies.
  INVALID_CREDENTIALS: { status: 401, title: 'Wrong e-mail address or password', fixed: true },
  TENANT_SELECTION_REQUIRED: { status: 409, title: 'Tenant selection required', fixed: true },
  LOGIN_BLOCKED: { status: 403, title: 'Login blocked', fixed: true },
  STEP_UP_REQUIRED: { status: 428, title: 'Step-up required', fixed: true },
  FORCE_LOGOUT: { status: 401, title: 'Signed out for security reasons', fixed: true },
  INVALID_REFRESH_TOKEN: { status: 401, title: 'The refresh token is not valid', fixed: true },
  // All other errors are RFC 9457 problem documents.
  UNAUTHENTICATED: { status: 401, title: 'Valid access token required', fixed: false },
  FORBIDDEN: { status: 403, title: 'Missing permission', fixed: false },
  OWN_PROOF_REQUIRED: { status: 403, title: 'Proof of your own required', fixed: false },
  PERSON_REQUIRED: { status: 403, title: 'Only a signed-in person can do this', fixed: false },
  IMPERSONATION_REFUSED: { status: 403, title: 'Impersonation refused', fixed: false },
  KEY_ADDRESS_REFUSED: {
    status: 403,
    title: 'The key cannot be used from this address',
    fixed: false,
  },
  IP_BLOCKED: { status: 403, title: 'Your address is not allowed here', fixed: false },
  KEY_HOLDER_ONLY: { status: 403, title: 'Only the holder of the key can do this', fixed: false },
  KEY_NAME_TAKEN: { status: 409, title: 'Another key has this name', fixed: false },
  TOO_MANY_KEYS: { status: 409, title: 'Key limit reached', fixed: false },
  TOO_MANY_STREAMS: { status: 409, title: 'Stream limit reached', fixed: false },
  KEY_ENDED: { status: 409, title: 'The key has ended', fixed: false },
  ORIGIN_REFUSED: {
    status: 403,
    title: 'This origin may not use the refresh cookie',
    fixed: false,
  },
  NOT_FOUND: { status: 404, title: 'Not found', fixed: false },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed', fixed: false },
  INVALID_INPUT: { status: 400, title: 'The input is not valid', fixed: false },
  MALFORMED_JSON: { status: 400, title: 'The body is not valid JSON', fixed: false },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The body is too large', fixed: false },
  MALFORMED_REQUEST: { status: 400, title: 'The request is not valid HTTP/1.1', fixed: false },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive', fixed: false },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large', fixed: false },
  EXPECTATION_FAILED: { status: 417, title: 'The Expect header is not supported', fixed: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body must be application/json', fixed: false },
  TOO_MANY_ATTEMPTS: { status: 429, title: 'Too many failed attempts', fixed: false },
  RATE_LIMITED: { status: 429, title: 'Too many requests', fixed: false },
  WRONG_PASSWORD: { status: 403, title: 'The current password is wrong', fixed: false },
  NO_PASSWORD: { status: 409, title: 'You have no password yet', fixed: false },
  PASSWORD_REFUSED: { status: 400, title: 'The new password is not allowed', fixed: false },
  INVALID_CODE: { status: 403, title: 'The code is not valid', fixed: false },
  INVALID_PASSKEY: { status: 403, title: 'The passkey response is not valid', fixed: false },
  CHALLENGE_NOT_FOUND: { status: 404, title: 'No open challenge found', fixed: false },
  CHALLENGE_ID_REQUIRED: { status: 409, title: 'Challenge id required', fixed: false },
  CHALLENGE_EXHAUSTED: { status: 429, title: 'The challenge has no tries left', fixed: false },
  CHALLENGE_NOT_VERIFIED: { status: 409, title: 'The challenge is not verified', fixed: false },
  NO_FACTOR: { status: 409, title: 'No second factor is enrolled', fixed: false },
  TOO_MANY_FACTORS: {
    status: 409,
    title: 'Factor limit reached',
    fixed: false,
  },
  ENROLMENT_REQUIRED: {
    status: 409,
    title: 'Second factor enrolment required',
    fixed: false,
  },
  NOT_YOURS_TO_MANAGE: {
    status: 403,
    title: 'This person holds permissions that you do not hold',
    fixed: false,
  },
  NOT_YOURS_TO_GIVE: {
    status: 403,
    title: 'You can only give permissions that you hold',
    fixed: false,
  },
  UNKNOWN_PERMISSION: { status: 400, title: 'Unknown permission', fixed: false },
  BUILT_IN_ROLE: { status: 409, title: 'Built-in roles cannot be changed', fixed: false },
  ROLE_IN_USE: { status: 409, title: 'The role is in use', fixed: false },
  ROLE_NAME_TAKEN: { status: 409, title: 'Another role has this name', fixed: false },
  TOO_MANY_ROLES: { status: 409, title: 'Role limit reached', fixed: false },
  UNKNOWN_ROLE: { status: 400, title: 'Unknown role', fixed: false },
  LAST_ADMINISTRATOR: {
    status: 409,
    title: 'The tenant would be left without an administrator',
    fixed: false,
  },
  OWN_MEMBERSHIP: {
    status: 409,
    title: 'Not possible for your own membership',
    fixed: false,
  },
  NOT_YOURS_TO_APPROVE: { status: 403, title: 'You cannot decide this request', fixed: false },
  NO_APPROVER: { status: 409, title: 'Nobody else can approve this', fixed: false },
  TOO_MANY_APPROVALS: { status: 409, title: 'Approval limit reached', fixed: false },
  APPROVAL_CLOSED: { status: 409, title: 'The request is not open any more', fixed: false },
  APPROVAL_OUTDATED: { status: 409, title: 'The request is outdated', fixed: false },
  TOO_FEW_ADMINISTRATORS: {
    status: 409,
    title: 'Approvals need two administrators',
    fixed: false,
  },
  TENANT_SLUG_TAKEN: { status: 409, title: 'Another tenant has this slug', fixed: false },
  TENANT_DELETED: { status: 409, title: 'The tenant was deleted', fixed: false },
  ALREADY_MEMBER: { status: 409, title: 'This person is a member already', fixed: false },
  INVITATION_OPEN: { status: 409, title: 'This address has an open invitation', fixed: false },
  TOO_MANY_INVITATIONS: { status: 409, title: 'Invitation limit reached', fixed: false },
  INVITATION_CLOSED: {
    status: 409,
    title: 'The invitation is not open any more',
    fixed: false,
  },
  INVITATION_EXPIRED: { status: 410, title: 'The invitation has expired', fixed: false },
  INVITATION_FOR_SOMEBODY_ELSE: {
    status: 403,
    title: 'The invitation is for another address',
    fixed: false,
  },
  INVITATION_NO_LONGER_VALID: {
    status: 409,
    title: 'The invitation is no longer valid',
    fixed: false,
  },
  POLICY_LOCKS_OUT: { status: 409, title: 'The change would lock people out', fixed: false },
  METHOD_UNAVAILABLE: { status: 409, title: 'Method not available', fixed: false },
  IP_RULES_LOCK_OUT: { status: 409, title: 'The rules refuse your own address', fixed: false },
  IP_RULE_TRIAL_RUNS: { status: 409, title: 'A trial of IP rules runs', fixed: false },
  NO_IP_RULE_TRIAL: { status: 409, title: 'No trial of IP rules runs', fixed: false },
  IP_RULES_NOT_SUSPENDED: { status: 409, title: 'The IP rules are not suspended', fixed: false },
  TOO_MANY_IP_RULES: { status: 409, title: 'IP rule limit reached', fixed: false },
  DOMAIN_NOT_ALLOWED: {
    status: 400,
    title: 'No tenant can prove this domain',
    fixed: false,
  },
  DOMAIN_EXISTS: { status: 409, title: 'The tenant has this domain already', fixed: false },
  TOO_MANY_DOMAINS: { status: 409, title: 'Domain limit reached', fixed: false },
  SSO_ISSUER_REFUSED: { status: 400, title: 'This issuer cannot be used', fixed: false },
  SSO_DISCOVERY_FAILED: {
    status: 422,
    title: 'The discovery document cannot be read',
    fixed: false,
  },
  SSO_PROVIDER_REFUSED: { status: 422, title: 'This provider cannot be used', fixed: false },
  SSO_CONNECTION_EXISTS: {
    status: 409,
    title: 'Another connection has this issuer and client id',
    fixed: false,
  },
  TOO_MANY_SSO_CONNECTIONS: { status: 409, title: 'Connection limit reached', fixed: false },
  SCIM_INVALID: { status: 400, title: 'The SCIM request is not valid', fixed: false },
  SCIM_CONFLICT: { status: 409, title: 'SCIM cannot do this for the member', fixed: false },
  VERSION_MISMATCH: { status: 412, title: 'The resource has another version', fixed: false },
  SSO_REFUSED: { status: 403, title: 'The sign-in was refused', fixed: false },
  SSO_UNAVAILABLE: {
    status: 409,
    title: 'This server cannot send people to a provider',
    fixed: false,
  },
  TOO_MANY_SSO_ATTEMPTS: { status: 429, title: 'Too many open sign-ins', fixed: false },
  PASSKEY_EXISTS: { status: 409, title: 'Passkey already registered', fixed: false },
  EMAIL_TAKEN: { status: 409, title: 'Somebody else has this e-mail address', fixed: false },
  EVENT_TYPE_INCOMPATIBLE: {
    status: 409,
    title: 'The schema refuses events that were accepted',
    fixed: false,
  },
  IDEMPOTENCY_KEY_REQUIRED: { status: 400, title: 'Idempotency key required', fixed: false },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: 'Another request had this idempotency key',
    fixed: false,
  },
  CONFLICT: { status: 409, title: 'Another request changed this at the same time', fixed: false },
  EVENT_NOT_SEALED: { status: 409, title: 'The event is not in a checkpoint yet', fixed: false },
  CHECKPOINT_NOT_FOUND: { status: 404, title: 'Checkpoint not found', fixed: false },
  AUDIT_LOG_BROKEN: {
    status: 500,
    title: 'The audit log does not match its signed checkpoint',
    fixed: false,
  },
  EXPORT_BUSY: { status: 503, title: 'Too many exports are running', fixed: false },
  AUDIT_LOG_BUSY: { status: 503, title: 'Sealing the audit log is taking too long', fixed: false },
  SIMULATION_BUSY: { status: 503, title: 'Another simulation is running', fixed: false },
  HASHING_BUSY: { status: 503, title: 'Too many sign-ins at the same time', fixed: false },
  DATABASE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached', fixed: false },
  SCHEMA_UNAVAILABLE: { status: 503, title: 'A required database table is missing', fixed: false },
  IP_RULES_UNAVAILABLE: { status: 503, title: 'The IP rules cannot be read', fixed: false },
  KEY_UNAVAILABLE: { status: 503, title: 'A required key is missing', fixed: false },
  INTERNAL_ERROR: { status: 500, title: 'Internal error', fixed: false },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** The advice for an error whose cause needs no words of its own. */
const NEXT_STEPS: Partial<Record<ErrorCode, string>> = {
  UNAUTHENTICATED: 'Refresh the access token once. If that fails, sign in again.',
  OWN_PROOF_REQUIRED:
    'Your organisation signed you in, and this concerns your account in every organisation. Prove that it is you: send your password to /api/auth/me/own-proof, or ask for a link by mail at /api/auth/me/own-proof/link.',
  PERSON_REQUIRED: 'A program cannot do this with a key. Sign in, and use your access token.',
  KEY_ADDRESS_REFUSED: 'Use the key from an address that it allows, or change its addresses.',
  IP_BLOCKED:
    'Use a network that your organisation allows, or ask one of its administrators to allow this one.',
  IP_RULES_UNAVAILABLE: 'Wait for the seconds in Retry-After, then repeat the request.',
  IP_RULES_LOCK_OUT:
    'Allow your address, or send the slug of your tenant as confirmLockout if you mean it.',
  IP_RULE_TRIAL_RUNS: 'Confirm the trial or take it back first.',
  NO_IP_RULE_TRIAL: 'Load the rules again: the trial was confirmed, taken back, or is over.',
  IP_RULES_NOT_SUSPENDED: 'Load the rules again: they are in force.',
  TOO_MANY_IP_RULES: 'First delete rules that nobody needs, or join several ranges into one.',
  DOMAIN_NOT_ALLOWED: 'Add a domain that belongs to your organisation alone.',
  DOMAIN_EXISTS: 'Use the domain that is in the list.',
  TOO_MANY_DOMAINS: 'First remove domains that nobody needs.',
  SSO_CONNECTION_EXISTS: 'Change that connection, or delete it first.',
  TOO_MANY_SSO_CONNECTIONS: 'First delete a connection that nobody needs.',
  VERSION_MISMATCH: 'Load it again, and repeat the change if you still want it.',
  SSO_REFUSED:
    'Begin again. If it is refused again, ask an administrator: the reason is in the audit log of the tenant.',
  SSO_UNAVAILABLE: 'The operator must set PUBLIC_URL.',
  TOO_MANY_SSO_ATTEMPTS: 'Finish a sign-in that you have begun, or wait ten minutes.',
  SIMULATION_BUSY: 'Wait for the seconds in Retry-After, then repeat the request.',
  KEY_HOLDER_ONLY: 'Ask the holder, or revoke the key and create one of your own.',
  KEY_NAME_TAKEN: 'Choose another name, or revoke the other key first.',
  TOO_MANY_KEYS: 'Revoke keys that nobody needs first.',
  KEY_ENDED: 'Create another key.',
  RATE_LIMITED: 'Wait for the seconds in Retry-After, then repeat the request.',
  WRONG_PASSWORD: 'Enter your current password again. Each wrong one counts as a failed sign-in.',
  NO_PASSWORD:
    'Ask for a link at POST /api/auth/password/forgot, set a password with it, then sign in again.',
  CHALLENGE_ID_REQUIRED:
    'Send the challengeId of the 428. If you have none, send the original request again to get one.',
  CHALLENGE_EXHAUSTED: 'Send the original request again to get a new challenge.',
  TOO_MANY_FACTORS: 'First remove one of your factors of this kind.',
  METHOD_UNAVAILABLE: 'Use another method.',
  BUILT_IN_ROLE: 'Create a role of your own.',
  ROLE_NAME_TAKEN: 'Choose another name.',
  TOO_MANY_ROLES: 'First delete a role that nobody needs.',
  LAST_ADMINISTRATOR: 'First make another member an administrator.',
  OWN_MEMBERSHIP: 'Ask another administrator to do it.',
  NOT_YOURS_TO_APPROVE:
    'Ask another administrator: one who was an administrator when the change was asked for, did not ask for it, and gets nothing by it.',
  NO_APPROVER:
    'The approval needs another active administrator who holds everything that is given. An operator can make the change without one.',
  TOO_MANY_APPROVALS: 'First decide or withdraw requests that are open.',
  APPROVAL_CLOSED: 'Load it again: it was decided, or it has expired.',
  APPROVAL_OUTDATED: 'The request has ended. Ask for the change again.',
  TOO_FEW_ADMINISTRATORS: 'First make another member an administrator.',
  TENANT_SLUG_TAKEN: 'Choose another slug. A deleted tenant keeps its own.',
  TENANT_DELETED: 'A deleted tenant stays closed. Create a new one under another slug.',
  EMAIL_TAKEN:
    'Sign in with the account that has this address, or ask for a change to another address.',
  ALREADY_MEMBER: 'Change the roles of the member, or enable them, instead.',
  INVITATION_OPEN: 'Send the open invitation again, or revoke it first.',
  TOO_MANY_INVITATIONS: 'Revoke invitations that nobody needs first.',
  INVITATION_EXPIRED: 'Ask the person who invited you to send it again.',
  INVITATION_FOR_SOMEBODY_ELSE: 'Sign in with the address that was invited.',
  INVITATION_NO_LONGER_VALID: 'Ask an administrator of the tenant to invite you again.',
  IDEMPOTENCY_KEY_REQUIRED:
    'Send a new random Idempotency-Key of 1 to 255 visible ASCII characters with each batch, and the same one when you repeat it.',
  IDEMPOTENCY_KEY_REUSED: 'Send a new key with other events. Nothing was written.',
  CONFLICT: 'Load it again, and repeat the change if you still want it.',
};

export interface AppErrorOptions {
  /** For the caller; if omitted, the next step of the code, if it has one. */
  detail?: string;
  /** Fields added to the body. */
  extra?: Readonly<Record<string, unknown>>;
  /** Response headers, e.g. Retry-After in seconds. */
  headers?: Readonly<Record<string, string>>;
  /** For the log only. */
  cause?: unknown;
}

/** An error whose code and detail the caller may see; its cause is only logged. */
export class AppError extends Error {
  readonly detail: string | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    super(options.detail ?? ERRORS[code].title, { cause: options.cause });
    this.name = 'AppError';
    this.detail = options.detail ?? NEXT_STEPS[code];
    this.extra = options.extra ?? {};
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  /** Whether the request was refused, and did not fail for a reason of the server's own. */
  get isRefusal(): boolean {
    return this.status < 500;
  }
}

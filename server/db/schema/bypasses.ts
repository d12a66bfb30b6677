/**
 * A bypass of row-level security: statements that cannot name one tenant, because it is not known
 * yet or because they are about all of them. It opens the rows of its tables alone.
 */
export interface Bypass {
  /** The tables whose rows it opens. */
  readonly tables: readonly string[];
  /** The files that may use it, with the number of uses in each. */
  readonly files: Readonly<Record<string, number>>;
  /** The reason why its statements cannot name a tenant, in one sentence. */
  readonly why: string;
}

/**
 * All bypasses. The policies of the tables are generated from this list, and a test compares it
 * with the code.
 */
export const BYPASSES = {
  challenge: {
    tables: ['step_up_challenges', 'tenant_staff'],
    files: {
      'server/security/stepUp/begunLoginStore.ts': 1,
      'server/security/stepUp/challengeStore.ts': 2,
      'server/security/stepUp/enrolmentChallengeStore.ts': 2,
    },
    why: 'A challenge is named by an id that this server has signed, before the person who answers it has signed in to any tenant.',
  },
  domains: {
    tables: ['domains'],
    files: { 'server/domains/dueDomainStore.ts': 1, 'server/domains/provenDomainStore.ts': 1 },
    why: 'Any node may find that a proven domain of any tenant is due for another look at DNS; and before somebody signs in, the domain of their address names the tenant.',
  },
  impersonation: {
    tables: ['impersonations'],
    files: { 'server/impersonation/purgeStore.ts': 1, 'server/impersonation/runningStore.ts': 1 },
    why: 'Any node may find that an impersonation of any tenant is over, or so old that its row is deleted.',
  },
  ip_rules: {
    tables: ['ip_rule_sets', 'ip_rules'],
    files: { 'server/ipRules/ruleReadStore.ts': 2, 'server/ipRules/trialStore.ts': 1 },
    why: 'Each node keeps the rules of all tenants in memory, and any node may find that the trial of a tenant is over.',
  },
  keys: {
    tables: [
      'api_keys',
      'known_addresses',
      'known_devices',
      'mails',
      'recovery_codes',
      'refresh_tokens',
      'sso_connections',
      'step_up_challenges',
      'tenant_staff',
      'user_sessions',
      'user_totp',
    ],
    files: {
      'server/keys/checkKeys.ts': 3,
      'server/keys/keyStatus.ts': 1,
      'server/keys/renewAttempts.ts': 1,
      'server/keys/resealSecrets.ts': 2,
    },
    why: 'A key of the server is proven against stored values, counted in them and replaced in them, for all tenants together.',
  },
  link: {
    tables: ['email_changes', 'invitations', 'mails', 'tenant_staff', 'user_sessions'],
    files: {
      'server/auth/ownProof/ownProofStore.ts': 1,
      'server/mail/mailStore.ts': 1,
      'server/profile/emailChangeStore.ts': 1,
      'server/tenants/invitationStore.ts': 1,
    },
    why: 'A mailed link names a row by an id that this server has signed, and the row says which tenant it is for.',
  },
  mailer: {
    tables: ['mails'],
    files: { 'server/mail/mailStore.ts': 6 },
    why: 'One outbox serves all tenants: a node takes the mails that are due, sends them, and notes the outcome by their ids.',
  },
  membership: {
    tables: ['tenant_staff'],
    files: { 'server/tenants/endedMemberStore.ts': 1 },
    why: 'Any node may find that a membership of any tenant has ended.',
  },
  operator: {
    tables: ['refresh_tokens', 'step_up_challenges', 'tenant_staff', 'user_sessions'],
    files: { 'server/auth/liveStaffStore.ts': 1, 'server/tenants/tenantStore.ts': 1 },
    why: 'An operator lists the tenants with the number of their members, and ends the sessions of everybody after a database was restored from a backup.',
  },
  person: {
    tables: ['email_changes', 'known_devices', 'risk_policies', 'tenant_staff'],
    files: {
      'server/auth/accountStore.ts': 2,
      'server/auth/passwords/passwordOwnerStore.ts': 1,
      'server/auth/passwords/passwordResetStore.ts': 3,
      'server/auth/passwords/passwordStore.ts': 1,
      'server/profile/emailChangeStore.ts': 1,
      'server/profile/ownDataStore.ts': 1,
      'server/security/risk/riskFactsStore.ts': 1,
      'server/security/risk/riskPolicyStore.ts': 1,
      'server/tenants/addressStore.ts': 2,
    },
    why: 'A person has one password and one address across tenants, so a sign-in finds all memberships of an address, and what is known about a person counts in each of their tenants.',
  },
  program: {
    tables: ['api_keys'],
    files: { 'server/apiKeys/keyUseStore.ts': 1 },
    why: 'The last uses of many keys of all tenants are noted together, and so are new hashes of them.',
  },
  purge: {
    tables: [
      'email_changes',
      'mails',
      'passkey_registrations',
      'refresh_tokens',
      'risk_decisions',
      'session_history',
      'sso_attempts',
      'step_up_challenges',
      'step_up_history',
      'token_history',
      'user_sessions',
      'user_totp',
    ],
    files: {
      'server/auth/historyStore.ts': 3,
      'server/auth/pendingEmailStore.ts': 1,
      'server/mail/mailStore.ts': 1,
      'server/security/risk/riskDecisionStore.ts': 1,
      'server/security/stepUp/pendingFactorStore.ts': 1,
      'server/sso/signIn/purgeAttemptStore.ts': 1,
    },
    why: 'Rows that have expired are deleted, or moved to the history, in batches for all tenants together.',
  },
  reported: {
    tables: ['tenant_staff'],
    files: { 'server/appEvents/reportedMemberStore.ts': 1 },
    why: 'A batch of reported events names members of several tenants, and one statement looks up each pair of tenant and member that it was given.',
  },
  risk: {
    tables: [
      'known_addresses',
      'known_countries',
      'known_devices',
      'known_networks',
      'risk_decisions',
      'risk_policies',
      'staff_habits',
      'user_sessions',
    ],
    files: {
      'server/security/risk/familiarStore.ts': 1,
      'server/security/risk/riskDecisionStore.ts': 1,
      'server/security/risk/riskFactsStore.ts': 1,
      'server/security/risk/riskPolicyStore.ts': 1,
    },
    why: 'Concurrent sign-ins of many tenants share one statement, which reads or writes for each pair of tenant and member that it was given; and a place is familiar if anybody has signed in from it.',
  },
  rotation: {
    tables: ['refresh_tokens', 'tenant_staff', 'user_sessions'],
    files: { 'server/auth/refreshTokenStore.ts': 1, 'server/auth/rotationStore.ts': 1 },
    why: 'A refresh token is known by its hash before its tenant is, and the same statement replaces it.',
  },
  seen: {
    tables: ['user_sessions'],
    files: { 'server/auth/sessionStore.ts': 1 },
    why: 'The times at which many sessions of all tenants were seen are written together.',
  },
  sso: {
    tables: ['sso_connections'],
    files: { 'server/sso/signIn/connectionTenantStore.ts': 1 },
    why: 'A browser names a connection before anybody has signed in, and the connection says which tenant it is for.',
  },
} as const satisfies Record<string, Bypass>;

/** The name of a bypass. */
export type BypassName = keyof typeof BYPASSES;

/** Returns the names of the bypasses that open the rows of a table. */
export const bypassesOf = (table: string): string[] =>
  Object.entries<Bypass>(BYPASSES)
    .filter(([, { tables }]) => tables.includes(table))
    .map(([name]) => name);

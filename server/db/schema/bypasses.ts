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
    tables: ['step_up_challenges'],
    files: {
      'server/security/stepUp/begunLoginStore.ts': 1,
      'server/security/stepUp/challengeStore.ts': 2,
      'server/security/stepUp/enrolmentChallengeStore.ts': 2,
    },
    why: 'A challenge is named by an id that this server has signed, before the person who answers it has signed in to any tenant.',
  },
  keys: {
    tables: [
      'api_keys',
      'known_addresses',
      'known_devices',
      'mails',
      'recovery_codes',
      'step_up_challenges',
      'user_totp',
    ],
    files: {
      'server/keys/checkKeys.ts': 3,
      'server/keys/keyStatus.ts': 1,
      'server/keys/resealSecrets.ts': 2,
    },
    why: 'A key of the server is proven against stored values, counted in them and replaced in them, for all tenants together.',
  },
  link: {
    tables: ['email_changes', 'invitations', 'mails'],
    files: {
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
  operator: {
    tables: ['step_up_challenges'],
    files: { 'server/auth/liveStaffStore.ts': 1 },
    why: 'An operator ends the sessions of everybody after a database was restored from a backup.',
  },
  person: {
    tables: ['email_changes', 'known_devices', 'risk_policies'],
    files: {
      'server/profile/emailChangeStore.ts': 1,
      'server/security/risk/riskFactsStore.ts': 1,
      'server/security/risk/riskPolicyStore.ts': 1,
      'server/tenants/addressStore.ts': 1,
    },
    why: "A person has one password and one address across tenants, so what is known about them counts in each of the person's tenants.",
  },
  program: {
    tables: ['api_keys'],
    files: { 'server/apiKeys/keyUseStore.ts': 1, 'server/apiKeys/liveKeyStore.ts': 1 },
    why: 'A program is known by the hash of its key before its tenant is, and the uses of many keys are noted together.',
  },
  purge: {
    tables: [
      'email_changes',
      'mails',
      'passkey_registrations',
      'risk_decisions',
      'session_history',
      'step_up_challenges',
      'step_up_history',
      'token_history',
      'user_totp',
    ],
    files: {
      'server/auth/historyStore.ts': 3,
      'server/auth/pendingEmailStore.ts': 1,
      'server/mail/mailStore.ts': 1,
      'server/security/risk/riskDecisionStore.ts': 1,
      'server/security/stepUp/pendingFactorStore.ts': 1,
    },
    why: 'Rows that have expired are deleted, or moved to the history, in batches for all tenants together.',
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
    ],
    files: {
      'server/security/risk/familiarStore.ts': 1,
      'server/security/risk/riskDecisionStore.ts': 1,
      'server/security/risk/riskFactsStore.ts': 1,
      'server/security/risk/riskPolicyStore.ts': 1,
    },
    why: 'Concurrent sign-ins of many tenants share one statement, which reads or writes for each pair of tenant and member that it was given; and a place is familiar if anybody has signed in from it.',
  },
} as const satisfies Record<string, Bypass>;

/** The name of a bypass. */
export type BypassName = keyof typeof BYPASSES;

/** Returns the names of the bypasses that open the rows of a table. */
export const bypassesOf = (table: string): string[] =>
  Object.entries<Bypass>(BYPASSES)
    .filter(([, { tables }]) => tables.includes(table))
    .map(([name]) => name);

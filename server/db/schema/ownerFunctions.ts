/**
 * A function of the database that runs with the rights of its owner (`SECURITY DEFINER`), so
 * row-level security does not bind what it reads.
 */
export interface OwnerFunction {
  /** The tables that it reads or writes, and the functions that it reads from. */
  readonly tables: readonly string[];
  /** The files that may call it, with the number of calls in each; empty for a trigger, or if only the release before and another function call it. */
  readonly files: Readonly<Record<string, number>>;
  /** The reason why it needs its owner's rights, in one sentence. */
  readonly why: string;
}

/**
 * All functions with their owner's rights. A test compares the list with the migrations and with
 * the code. PUBLIC may call none of them; `db grant` lets the serving role call them.
 */
export const OWNER_FUNCTIONS = {
  access_changes_record: {
    tables: ['access_changes'],
    files: {},
    why: 'A trigger: a role that may end a session need not have a grant on the changes.',
  },
  change_versions_grow: {
    tables: ['change_versions'],
    files: {},
    why: 'A trigger: a role that may change a policy need not have a grant on the versions.',
  },
  gatehouse_checked_sessions: {
    tables: ['tenant_staff', 'tenants', 'user_sessions', 'users'],
    files: { 'server/auth/sessionStore.ts': 1 },
    why: 'Requests of all tenants share the check of their sessions, which gives each session with the tenant that its access token names.',
  },
  gatehouse_introspected_sessions: {
    tables: ['gatehouse_live_sessions', 'step_up_challenges', 'tenant_staff', 'user_sessions'],
    files: { 'server/auth/sessionStore.ts': 1 },
    why: 'Introspections of all tenants share one statement, which gives each session with the tenant that its access token names.',
  },
  gatehouse_live_impersonations: {
    tables: [
      'impersonation_consents',
      'impersonation_policies',
      'impersonations',
      'tenant_staff',
      'tenants',
      'user_sessions',
      'users',
    ],
    files: { 'server/auth/impersonationCheckStore.ts': 2 },
    why: 'Requests of all tenants share the check of their impersonations, which gives each with the tenant that its access token names.',
  },
  gatehouse_live_sessions: {
    tables: ['tenant_staff', 'tenants', 'user_sessions', 'users'],
    files: {},
    why: 'The release before checks its sessions by it, and introspections read it: each session with the tenant that its access token names.',
  },
  gatehouse_live_tenant_keys: {
    tables: ['api_keys', 'tenant_staff', 'tenants', 'users'],
    files: {},
    why: 'A program is known by the hash of its key before its tenant is, and requests of all tenants share the check.',
  },
  gatehouse_named_tenant_keys: {
    tables: ['api_keys', 'gatehouse_live_tenant_keys', 'tenant_staff'],
    files: { 'server/apiKeys/liveKeyStore.ts': 1 },
    why: 'The look-up of the keys of all tenants in one statement, with the name and the end of each key.',
  },
} as const satisfies Record<string, OwnerFunction>;

/** The names of those that the serving role calls. */
export const CALLED_FUNCTIONS: readonly string[] = Object.entries<OwnerFunction>(OWNER_FUNCTIONS)
  .filter(([, { files }]) => Object.keys(files).length > 0)
  .map(([name]) => name);

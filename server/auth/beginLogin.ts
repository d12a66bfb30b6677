import type { AuthDeps } from './deps';
import {
  BEGUN_FOR_MS,
  BEGUN_METHODS,
  attemptSubject,
  markOfBrowser,
  sealBegunLogin,
} from '../security';
import { findAccount, listOpenMemberships } from './accountStore';
import type { Account, Membership } from './accountStore';

export interface BeginLoginInput {
  email: string;
  /** Slug or id of the tenant. */
  tenant?: string | undefined;
  rememberMe: boolean;
  /** HMAC, in hex, of the device id of the browser that begins the login. */
  browserHash: string;
}

/** The offer looks the same for every e-mail address. */
export interface BegunLoginOffer {
  challengeId: string;
  purpose: 'security_settings';
  methods: readonly string[];
  /** ISO 8601. */
  expiresAt: string;
}

function findMembership(
  account: Account | undefined,
  tenant: string | undefined,
): Membership | undefined {
  const fitting = account ? listOpenMemberships(account, tenant) : [];
  return fitting.length === 1 ? fitting[0] : undefined;
}

/**
 * Begins a login with the second factor first, for a person whose password login is locked because
 * others are guessing at it. The answer is built in the same way for known and unknown addresses,
 * and nothing is stored: see `BegunLogin`.
 */
export async function beginLogin(
  deps: Pick<AuthDeps, 'db' | 'keys' | 'clock' | 'random'>,
  { email, tenant, rememberMe, browserHash }: BeginLoginInput,
): Promise<BegunLoginOffer> {
  const account = await findAccount(deps.db, email);
  const member = findMembership(account, tenant);
  const expiresAt = new Date(deps.clock.now().getTime() + BEGUN_FOR_MS);
  const [id, tenantId, userId, staffId] = [0, 1, 2, 3].map(() => deps.random.id()) as [
    string,
    string,
    string,
    string,
  ];
  const challengeId = sealBegunLogin(deps.keys, {
    id,
    tenantId: member?.tenantId ?? tenantId,
    userId: account && member ? account.userId : userId,
    staffId: member?.staffId ?? staffId,
    sessionVersion: member?.sessionVersion ?? 1,
    subject: attemptSubject(deps.keys, 'email', email),
    expiresAt,
    rememberMe,
    browser: markOfBrowser(browserHash),
    real: member !== undefined,
  });
  const methods = BEGUN_METHODS;
  return {
    challengeId,
    purpose: 'security_settings',
    methods,
    expiresAt: expiresAt.toISOString(),
  };
}

import { setImmediate } from 'node:timers/promises';
import {
  purgeChallenges,
  purgePasswordResets,
  purgeEmailChanges,
  purgeSessions,
  purgeTokensWithoutSession,
} from '../auth';
import { systemContext } from '../context';
import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { purgeChanges } from '../accessChanges';
import { purgeEventBatches } from '../appEvents';
import { purgeImpersonations } from '../impersonation';
import { giveUpExpiredMails, purgeMails } from '../mail';
import { purgeAttempts, purgeDecisions, purgePendingFactors } from '../security';
import { purgeRateLimits } from '../limits';
import { purgeSsoAttempts } from '../sso';
import { normalizeAddresses } from '../tenants';
import { renewAttempts } from '../keys/renewAttempts';
import { resealSecrets } from '../keys/resealSecrets';
import { DAY_MS, HOUR_MS } from '../durations';

const EVERY_MS = HOUR_MS;
/**
 * How many days a mail's record is kept. It holds when the mail was sent, to whom (the id of a
 * staff member), and of which kind it was.
 */
const MAILS_KEPT_DAYS = 30;

type MaintenanceDeps = Pick<
  Deps,
  'db' | 'pool' | 'keys' | 'clock' | 'config' | 'logger' | 'metrics'
>;

/**
 * Purges in small transactions with pauses between them, so that others get their turn. Any number
 * of nodes may do it at the same time.
 */
async function inBatches(purge: () => Promise<number>): Promise<void> {
  while ((await purge()) > 0) await setImmediate();
}

const purgeOldDecisions = ({ db, clock, config }: MaintenanceDeps) => {
  const before = new Date(clock.now().getTime() - config.riskDecisionsKeepDays * DAY_MS);
  return inBatches(() => purgeDecisions(db, before));
};

const purgeOldImpersonations = ({ db, clock, config }: MaintenanceDeps) => {
  const before = new Date(clock.now().getTime() - config.impersonationsKeepDays * DAY_MS);
  return inBatches(() => purgeImpersonations(db, before));
};

async function purgeOldMails({ db, clock, logger, metrics }: MaintenanceDeps): Promise<void> {
  const expired = await giveUpExpiredMails(db);
  if (expired > 0) {
    metrics.mails.inc({ outcome: 'given_up' }, expired);
    logger.error({ expired }, 'mails expired before they were sent');
  }
  const before = new Date(clock.now().getTime() - MAILS_KEPT_DAYS * DAY_MS);
  await inBatches(() => purgeMails(db, before));
}

const purgeOldResets = ({ db, clock }: MaintenanceDeps) => {
  const before = new Date(clock.now().getTime() - MAILS_KEPT_DAYS * DAY_MS);
  return inBatches(() => purgePasswordResets(db, before));
};

const purgeOldEmailChanges = ({ db, clock }: MaintenanceDeps) => {
  const before = new Date(clock.now().getTime() - MAILS_KEPT_DAYS * DAY_MS);
  return inBatches(() => purgeEmailChanges(db, before));
};

const TASKS: Readonly<Record<string, (deps: MaintenanceDeps) => Promise<unknown>>> = {
  purge_attempts: ({ db, clock }) => purgeAttempts(db, clock.now()),
  purge_risk_decisions: purgeOldDecisions,
  purge_impersonations: purgeOldImpersonations,
  purge_mails: purgeOldMails,
  purge_password_resets: purgeOldResets,
  purge_email_changes: purgeOldEmailChanges,
  reseal_secrets: resealSecrets,
  renew_attempts: renewAttempts,
  // While a deployment replaces the nodes, the old ones still store addresses as they were typed.
  normalize_addresses: (deps) =>
    normalizeAddresses(deps, systemContext('normalize-addresses'), 'bootstrap'),
  purge_sessions: ({ db, config }) => inBatches(() => purgeSessions(db, config.sessionsKeepDays)),
  purge_tokens_without_session: ({ db, config }) =>
    inBatches(() => purgeTokensWithoutSession(db, config.sessionsKeepDays)),
  purge_challenges: ({ db, config }) =>
    inBatches(() => purgeChallenges(db, config.challengesKeepDays)),
  purge_rate_limits: ({ db }) => inBatches(() => purgeRateLimits(db)),
  purge_access_changes: ({ db }) => purgeChanges(db),
  purge_event_batches: ({ db }) => inBatches(() => purgeEventBatches(db)),
  purge_sso_attempts: ({ db, clock }) =>
    inBatches(() => purgeSsoAttempts(db, new Date(clock.now().getTime() - DAY_MS))),
  purge_pending_factors: ({ db }) => inBatches(() => purgePendingFactors(db)),
};

/**
 * Normalises addresses before anybody can sign in. A person whose address is stored in another
 * spelling could not sign in.
 */
export async function normalizeAddressesAtStart(deps: MaintenanceDeps): Promise<void> {
  try {
    const done = await normalizeAddresses(deps, systemContext('boot'), 'bootstrap');
    if (done.changed > 0) deps.logger.info(done, 'e-mail addresses were brought into normal form');
    if (done.left > 0) {
      const what = 'e-mail addresses are not in normal form: see `admin users collisions`';
      deps.logger.warn(done, what);
    }
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task: 'normalize_addresses' });
    deps.logger.warn({ err: error }, 'e-mail addresses could not be brought into normal form');
  }
}

async function runTask(deps: MaintenanceDeps, task: string): Promise<void> {
  try {
    await TASKS[task]?.(deps);
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task });
    const fault = databaseFault(error);
    deps.logger.warn({ err: error, fault, task }, 'housekeeping failed');
  }
}

/** Runs the hourly tasks. A task that fails is logged and counted, and does not stop the others. */
export async function runMaintenance(deps: MaintenanceDeps): Promise<void> {
  for (const task of Object.keys(TASKS)) await runTask(deps, task);
}

/** Starts the hourly maintenance. A task that fails is tried again an hour later. */
export function startMaintenance(deps: MaintenanceDeps): () => void {
  const timer = setInterval(() => void runMaintenance(deps), EVERY_MS);
  timer.unref();
  // A node that starts may be the first one with a new key.
  void runTask(deps, 'reseal_secrets');
  return () => clearInterval(timer);
}

import { createPublicKey, sign, verify } from 'node:crypto';
import { nameDifference } from '../schema/catalogue/compareCatalogues';
import { findUnknownKeys } from '../keys/checkKeys';
import { describeBypass } from '../schema/roles/assertGrants';
import { findOwnership } from '../schema/roles/findOwnership';
import type { GuardReport } from '../schema/guard/schemaGuard';
import { databaseFault } from '../db/pgErrors';
import type { HealthDeps } from './deps';
import { countDeviations } from '../tenants';
import { checkClock } from './checkClock';

interface Check {
  ok: boolean;
  /** One sentence for the operator, if the check fails. */
  reason?: string;
  /** Findings, also those that do not stop the process from serving. */
  findings?: readonly string[];
}

export interface Readiness {
  status: 'ready' | 'not_ready';
  checks: {
    process: Check;
    database: Check;
    writes: Check;
    migrations: Check;
    schema: Check;
    keys: Check;
    role: Check;
    clock: Check;
    people: Check;
    ipRules: Check;
    proxies: Check;
  };
}

type ReadyDeps = Pick<
  HealthDeps,
  | 'config'
  | 'db'
  | 'pool'
  | 'schemaGuard'
  | 'keys'
  | 'logger'
  | 'nodeClock'
  | 'proxyWatch'
  | 'writeProbe'
  | 'drain'
  | 'ipRules'
>;

const fine: Check = { ok: true };
const failed = (reason: string): Check => ({ ok: false, reason });

async function attempt(deps: ReadyDeps, what: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    deps.logger.warn({ err: error, check: what }, 'a readiness check failed');
    const gone = databaseFault(error) === 'unavailable';
    return failed(gone ? 'The database cannot be reached.' : `The ${what} could not be checked.`);
  }
}

/** The most findings in one body. */
const NAMED_AT_MOST = 50;

const withFindings = (check: Check, findings: readonly string[]): Check =>
  findings.length === 0 ? check : { ...check, findings: findings.slice(0, NAMED_AT_MOST) };

function judgeMigrations({ migrations }: GuardReport): Check {
  const { pending, pendingTags, problems } = migrations;
  // During a deployment the old nodes run on a newer database. They will be replaced, and must not
  // all be withdrawn at once.
  const serious = problems.filter(({ kind }) => kind !== 'newer');
  const newer = problems.filter(({ kind }) => kind === 'newer').map(({ message }) => message);
  if (serious.length > 0) return failed(serious.map(({ message }) => message).join(' '));
  if (pending > 0) return failed(`Migrations are pending: ${pendingTags.join(', ')}.`);
  return withFindings(fine, newer);
}

/**
 * A difference is reported, but does not make a node unready: all nodes share one database, so a
 * balancer would withdraw them all, and a check must not end every login. SCHEMA_GUARD=enforce acts
 * at start-up.
 */
function judgeSchema({ missing, differences }: GuardReport): Check {
  const findings = differences.map(nameDifference);
  const check = missing.length > 0 ? failed(`Tables are missing: ${missing.join(', ')}.`) : fine;
  return withFindings(check, findings);
}

/**
 * Checks that the keys are those with which the database is written, that sealed data can be opened
 * and that signatures verify; otherwise evidence made now would be worthless.
 */
async function checkKeys(deps: ReadyDeps): Promise<Check> {
  const unknown = await findUnknownKeys(deps.pool, deps.keys);
  if (unknown.length > 0) return failed(unknown.join(' '));
  const probe = Buffer.from('readiness');
  const opened = deps.keys.open(deps.keys.seal(probe, 'readiness'), 'readiness');
  const publicKey = createPublicKey(deps.keys.evidence.publicPem);
  const signed = verify(null, probe, publicKey, sign(null, probe, deps.keys.evidence.key));
  return opened.equals(probe) && signed ? fine : failed('A key does not work.');
}

/**
 * Reports a database role that could undo the audit log, or that row-level security does not bind.
 * In production such a role serves only if the operator has allowed it, so it is only a finding.
 */
async function checkRole({ config, pool }: ReadyDeps): Promise<Check> {
  if (!config.production) return fine;
  const { role = '', ways = [], seesAll = false } = (await findOwnership(pool, null)) ?? {};
  const findings = ways.map((way) => `The role ${role} can undo the audit log: it ${way}.`);
  if (findings.length === 0 && seesAll) findings.push(describeBypass(role));
  return withFindings(fine, findings);
}

/**
 * Reports people who cannot sign in with their stored address. A missing table is the finding of
 * another check.
 */
async function checkPeople({ db }: ReadyDeps): Promise<Check> {
  const count = await countDeviations({ db }).catch(() => 0);
  const what = `${count} stored e-mail addresses are not in normal form, so nobody can sign in with them: see \`admin users collisions\`.`;
  return withFindings(fine, count === 0 ? [] : [what]);
}

function checkProxies({ proxyWatch }: ReadyDeps): Check {
  const findings = proxyWatch
    .silent()
    .map((proxy) => `The trusted proxy ${proxy} sends no usable client address.`);
  return withFindings(fine, findings);
}

/** A node that was asked to stop still serves, but should get no new requests. */
const checkProcess = ({ drain }: ReadyDeps): Check =>
  drain.begun() ? failed('The node is stopping.') : fine;

async function checkWrites({ writeProbe }: ReadyDeps): Promise<Check> {
  const reason = await writeProbe.find();
  return reason === undefined ? fine : failed(reason);
}

/** A node that cannot read the IP rules answers 503 to the tenants that have some. */
async function checkIpRules({ ipRules }: ReadyDeps): Promise<Check> {
  await ipRules.refresh();
  return ipRules.isUnavailable()
    ? failed('The IP rules cannot be read from the tables ip_rule_sets and ip_rules.')
    : fine;
}

/** @returns whether this process can serve, and for each failed check the reason */
export async function checkReadiness(deps: ReadyDeps): Promise<Readiness> {
  const look = deps.schemaGuard.check();
  const looks = await Promise.all([
    attempt(deps, 'database', async () => {
      await deps.pool.query('SELECT 1');
      return fine;
    }),
    checkWrites(deps),
    attempt(deps, 'migrations', async () => judgeMigrations(await look)),
    attempt(deps, 'schema', async () => judgeSchema(await look)),
    attempt(deps, 'keys', () => checkKeys(deps)),
    attempt(deps, 'role', () => checkRole(deps)),
    attempt(deps, 'clock', () => checkClock(deps)),
    checkPeople(deps),
    checkIpRules(deps),
  ]);
  const [database, writes, migrations, schema, keys, role, clock, people, ipRules] = looks;
  const proxies = checkProxies(deps);
  const process = checkProcess(deps);
  const checks = {
    process,
    database,
    writes,
    migrations,
    schema,
    keys,
    role,
    clock,
    people,
    ipRules,
    proxies,
  };
  const ready = Object.values(checks).every(({ ok }) => ok);
  return { status: ready ? 'ready' : 'not_ready', checks };
}

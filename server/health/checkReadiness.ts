import { createPublicKey, sign, verify } from 'node:crypto';
import { readMigrationState } from '../bootstrap/migrate';
import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';

interface Check {
  ok: boolean;
  /** One plain sentence, where it is not. */
  reason?: string;
}

export interface Readiness {
  status: 'ready' | 'not_ready';
  checks: { database: Check; migrations: Check; schema: Check; keys: Check };
}

type ReadyDeps = Pick<Deps, 'config' | 'pool' | 'schemaGuard' | 'keys' | 'logger'>;

const fine: Check = { ok: true };
const failed = (reason: string): Check => ({ ok: false, reason });

async function attempt(deps: ReadyDeps, what: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    deps.logger.warn({ err: error, check: what }, 'a readiness check could not look');
    const gone = databaseFault(error) === 'unavailable';
    return failed(gone ? 'The database cannot be reached.' : `The ${what} could not be checked.`);
  }
}

async function checkMigrations(deps: ReadyDeps): Promise<Check> {
  const { databaseUrl, migrationsDir } = deps.config;
  const state = await readMigrationState(databaseUrl, migrationsDir);
  if (state.problems.length > 0) return failed(state.problems.join(' '));
  return state.pending === 0 ? fine : failed(`Migrations are pending (${state.pending}).`);
}

/** What is sealed must open and what is signed must verify, else evidence made now is worth nothing. */
function checkKeys(deps: ReadyDeps): Check {
  const probe = Buffer.from('readiness');
  const opened = deps.keys.open(deps.keys.seal(probe, 'readiness'), 'readiness');
  const publicKey = createPublicKey(deps.keys.evidence.publicPem);
  const signed = verify(null, probe, publicKey, sign(null, probe, deps.keys.evidence.key));
  return opened.equals(probe) && signed ? fine : failed('A key does not work.');
}

/** @returns whether this process can serve, and for each check why not */
export async function checkReadiness(deps: ReadyDeps): Promise<Readiness> {
  const [database, migrations, schema, keys] = await Promise.all([
    attempt(deps, 'database', async () => {
      await deps.pool.query('SELECT 1');
      return fine;
    }),
    attempt(deps, 'migrations', () => checkMigrations(deps)),
    attempt(deps, 'schema', async () => {
      const { missing } = await deps.schemaGuard.check();
      return missing.length === 0 ? fine : failed(`Tables are missing: ${missing.join(', ')}.`);
    }),
    attempt(deps, 'keys', () => Promise.resolve(checkKeys(deps))),
  ]);
  const checks = { database, migrations, schema, keys };
  const ready = Object.values(checks).every(({ ok }) => ok);
  return { status: ready ? 'ready' : 'not_ready', checks };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ask } from './askDatabase';
import { builtScript } from '../server/builtScript';
import { closeLater } from '../server/closing';
import { pollUntil } from '../time/pollUntil';
import { REPOSITORY } from '../server/serverProcess';

/** The lock that every release takes before it migrates. */
export const MIGRATION_LOCK = '7449363237540164979';

/** Starts a migrator in a process of its own. It ends after the file at the latest. */
export function startMigrator(url: string, folder: string) {
  const source = join(REPOSITORY, 'tests', 'schema', 'migrations', 'fixtures', 'migrateFolder.ts');
  const child = spawn(process.execPath, [builtScript(source), url, folder], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'close');
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  closeLater(kill);
  return { kill };
}

/**
 * Returns the database process of the migration that waits for a transaction of the test, and not
 * just for a short statement of another session.
 */
export async function waitingWorker(url: string): Promise<number> {
  const [row] = await pollUntil(
    'a migration waits for a lock',
    () =>
      ask<{ pid: number }>(
        url,
        `SELECT pid FROM pg_stat_activity AS waiting WHERE datname = current_database()
           AND application_name LIKE 'gatehouse-migrate %' AND wait_event_type = 'Lock'
           AND EXISTS (SELECT FROM pg_stat_activity AS test WHERE test.pid = ANY (pg_blocking_pids(waiting.pid))
             AND test.state = 'idle in transaction')`,
      ),
    (rows) => rows.length > 0,
  );
  return row?.pid ?? 0;
}

/** Returns the database process that holds the migration lock. */
export async function lockHolder(url: string) {
  const [row] = await ask<{ pid: number; state: string; snapshot: string | null; name: string }>(
    url,
    `SELECT pid, state, backend_xmin AS snapshot, application_name AS name
     FROM pg_stat_activity JOIN pg_locks USING (pid)
     WHERE datname = current_database() AND locktype = 'advisory' AND granted
       AND objid::bigint = ${MIGRATION_LOCK} & 4294967295`,
  );
  if (!row) throw new Error('no process holds the migration lock');
  return row;
}

/** Cuts a connection, as a network failure would. */
export const terminate = (url: string, pid: number) =>
  ask(url, 'SELECT pg_terminate_backend($1)', [pid]);

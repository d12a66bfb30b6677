import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { PostgresBinaries } from './binaries';
import { EmbeddedPostgresError } from './embeddedError';
import { syncFolder, uniqueSibling } from './ownedFiles';
import { startGuarded } from './guardedProcess';
import { giveTo, ownCluster, type Place } from './dataPlace';
import { childEnvironment, type ServerLog } from './serverLog';

const draftName = 'initdb-draft';

/**
 * Makes sure that there is a complete cluster. A new cluster is made beside its place and moved
 * there when it is complete, so that a crash cannot leave half a database.
 * @param place the place of the cluster
 * @param binaries the programs
 * @param password the password of the superuser of a new cluster
 * @param durable false: a new cluster is not flushed to disk
 * @returns true if the cluster is new
 * @throws EmbeddedPostgresError with the last lines of initdb if that fails
 */
export async function ensureCluster(
  place: Place,
  binaries: PostgresBinaries,
  password: string,
  durable: boolean,
  serverLog: ServerLog,
): Promise<boolean> {
  for (const name of readdirSync(place.home)) {
    if (name.startsWith(draftName)) removeDraft(path.join(place.home, name));
  }
  if (isComplete(place.cluster)) {
    ownCluster(place);
    return false;
  }
  removeIfEmpty(place.cluster);
  const draft = uniqueSibling(path.join(place.home, draftName));
  try {
    await runInitdb(place, binaries, draft, password, durable, serverLog);
    renameSync(path.join(draft, 'cluster'), place.cluster);
    if (durable) syncFolder(place.home);
  } finally {
    removeDraft(draft);
  }
  return true;
}

function isComplete(cluster: string): boolean {
  return ['PG_VERSION', 'global/pg_control'].every((name) => existsSync(path.join(cluster, name)));
}

function removeIfEmpty(cluster: string): void {
  if (!existsSync(cluster)) return;
  try {
    rmdirSync(cluster);
  } catch (error) {
    throw new EmbeddedPostgresError(
      `${cluster} contains files but no complete database: restore it from a backup, or move it away to start with an empty database.`,
      { cause: error },
    );
  }
}

/** Removes a draft as far as possible. The next start tries again to remove the rest. */
function removeDraft(draft: string): void {
  try {
    rmSync(draft, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // The rest does no harm.
  }
}

async function runInitdb(
  { account }: Place,
  { initdb }: PostgresBinaries,
  draft: string,
  password: string,
  durable: boolean,
  serverLog: ServerLog,
): Promise<void> {
  const passwordFile = path.join(draft, 'password');
  mkdirSync(draft, { mode: 0o700 });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account !== null) giveTo(draft, account);
  const mark = serverLog.mark();
  const run = await startGuarded({
    program: initdb,
    args: [
      `--pgdata=${path.join(draft, 'cluster')}`,
      `--pwfile=${passwordFile}`,
      ...['--username=gatehouse', '--auth=scram-sha-256', '--encoding=UTF8', '--no-instructions'],
      // The sort order of texts must not change with the C library of the system.
      ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
      ...(durable ? [] : ['--no-sync']),
    ],
    account,
    env: childEnvironment,
    output: serverLog.descriptor,
  });
  const code = await exitOf(run.exited);
  if (code === 0) return;
  throw new EmbeddedPostgresError(whyInitdbFailed(code, serverLog.lastLines(mark)));
}

function whyInitdbFailed(code: number | null, lines: string): string {
  if (code === 126 || code === 127) {
    return `The embedded Postgres cannot run on this system (${lines}): set DATABASE_URL to a Postgres server.`;
  }
  if (/could not look up effective user ID/.test(lines)) {
    return `Postgres cannot make its database for a uid that has no account name (${lines}): start Gatehouse under an account of /etc/passwd, or set DATABASE_URL.`;
  }
  return `The embedded Postgres could not make its database: ${lines}`;
}

/** The guarded program does not keep this process alive, but this code must wait for its result. */
async function exitOf(exited: Promise<number | null>): Promise<number | null> {
  const stayAlive = setInterval(() => undefined, 60_000);
  try {
    return await exited;
  } finally {
    clearInterval(stayAlive);
  }
}

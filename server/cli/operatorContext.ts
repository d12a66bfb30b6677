import { findRunningEmbeddedPostgres, startEmbeddedPostgres } from '../embedded/embeddedPostgres';
import { checkKeys } from '../keys/checkKeys';
import { withSecrets } from '../keys/localSecrets';
import { migrate } from '../schema/migrations/migrate';
import { loadConfig, requireReady } from '../config';
import type { ReadyConfig } from '../config';
import { systemContext } from '../context';
import type { RequestContext } from '../context';
import { createDeps } from '../deps';
import type { Deps } from '../deps';
import type { Invocation } from './invocation';
import { ticketOf } from './options';
import type { Options } from './options';

export interface Operator {
  config: ReadyConfig;
  deps: Deps;
  ctx: RequestContext;
}

interface OpenedDatabase {
  config: ReadyConfig;
  close(): Promise<void>;
}

/**
 * Opens the server's database: the one in the settings, or the embedded one, which is started if it
 * does not run.
 */
async function openDatabase({ env }: Invocation): Promise<OpenedDatabase> {
  const config = loadConfig(env);
  if (config.mode === 'external') {
    return { config: requireReady(withSecrets(config)), close: () => Promise.resolve() };
  }
  const { dataDir } = config;
  const runningUrl = await findRunningEmbeddedPostgres(dataDir);
  const started = runningUrl === null ? await startEmbeddedPostgres({ dataDir }) : undefined;
  const databaseUrl = runningUrl ?? started?.url ?? '';
  if (started) await migrate(databaseUrl, config.migrationsDir);
  return {
    config: { ...withSecrets(config), databaseUrl },
    close: () => started?.stop() ?? Promise.resolve(),
  };
}

type Keys = 'checked' | 'unchecked';

async function run<T>(
  invocation: Invocation,
  command: (operator: Operator) => Promise<T>,
  keys: Keys,
  ticket?: string,
): Promise<T> {
  const database = await openDatabase(invocation);
  const { config } = database;
  try {
    const deps = createDeps({ ...config, logLevel: 'silent' }, { sendsMail: false });
    const ctx: RequestContext = {
      ...systemContext(deps.random.id()),
      actor: config.operator,
      ...(ticket !== undefined && { ticket }),
    };
    try {
      if (keys === 'checked') {
        await checkKeys(deps);
        await deps.nodeClock.measure();
      }
      return await command({ config, deps, ctx });
    } finally {
      await deps.broadcast.flush();
      await deps.close();
    }
  } finally {
    await database.close();
  }
}

/**
 * Runs an operator's command on the server's database, and closes everything afterwards.
 * @param keys `checked`, unless the command uses nothing that a key protects, or is about the keys
 * @throws KeyCheckError if the database was written with a key that this process does not have
 */
export const asOperator = <T>(
  invocation: Invocation,
  command: (operator: Operator) => Promise<T>,
  keys: Keys = 'checked',
): Promise<T> => run(invocation, command, keys);

/**
 * Runs a command that writes, as {@link asOperator} does. Its audit events name the person who ran
 * it and, with `--ticket`, the reason.
 * @throws CommandError if the ticket is malformed
 */
export function asWriter<T>(
  options: Options,
  invocation: Invocation,
  command: (operator: Operator) => Promise<T>,
  keys: Keys = 'checked',
): Promise<T> {
  return run(invocation, command, keys, ticketOf(options));
}

import type { AddressInfo } from 'node:net';
import { assertGrants, OwnerRoleError, warnOfOwnership } from '../schema/roles/assertGrants';
import { assertSchema, SchemaDriftError } from '../schema/guard/assertSchema';
import { admitToDatabase, KeyCheckError } from '../keys/checkKeys';
import { createDemo } from './createDemo';
import type { DemoSignIn } from './createDemo';
import { startEmbeddedPostgres } from '../embedded/embeddedPostgres';
import type { EmbeddedPostgres } from '../embedded/embeddedPostgres';
import { EXIT } from './exitCodes';
import { withSecrets } from '../keys/localSecrets';
import { compareDeclaredFiles } from './compareDeclaredFiles';
import { normalizeAddressesAtStart, startMaintenance } from './maintenance';
import { isNewer, MigrationError } from '../schema/migrations/migrate';
import type { LockWait } from '../schema/migrations/migrate';
import { nameRoute } from './nameRoute';
import { prepareDatabase } from './prepareDatabase';
import { renewAttempts } from '../keys/renewAttempts';
import { watchExports } from '../compliance';
import { loadConfig, readEnvironmentFile, requireReady } from '../config';
import type { Config, ReadyConfig } from '../config';
import { createDeps } from '../deps';
import type { Deps } from '../deps';
import { createApp } from '../createApp';
import { createHttpServer } from '../http/httpServer';
import type { HttpServer } from '../http/httpServer';
import type { Invocation } from '../cli/invocation';
import { explainListenFault } from '../http/listenFault';
import { SECOND_MS } from '../durations';

/** The open parts of a node, which {@link stopNode} closes. */
export interface Running {
  stopMaintenance?: () => void;
  deps?: Deps;
  http?: HttpServer;
  embedded?: EmbeddedPostgres;
}

async function openDatabase(config: Config, running: Running): Promise<ReadyConfig> {
  if (config.mode === 'external') return requireReady(withSecrets(config));
  running.embedded = await startEmbeddedPostgres({ dataDir: config.dataDir });
  return { ...withSecrets(config), migrateOnBoot: true, databaseUrl: running.embedded.url };
}

function listen(deps: Deps): Promise<HttpServer> {
  const { port, host } = deps.config;
  const http = createHttpServer(deps, createApp(deps));
  const { server } = http;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListenFault(error, { port, host })));
    server.listen(port, host, () => resolve(http));
  });
}

function greet(say: (text: string) => void, url: string, signIn: DemoSignIn | undefined): void {
  say(`Gatehouse listens on ${url}`);
  if (!signIn) return;
  // Passkeys need a host name. The page cannot use them on an IP address.
  const named = url.replace('//127.0.0.1', '//localhost');
  say(`
A demo tenant was created. These secrets are shown only once:

  tenant       ${signIn.tenant}
  e-mail       ${signIn.email}
  password     ${signIn.password}
  TOTP secret  ${signIn.totpSecret}

For the walkthrough in README.md, paste these lines into a second terminal:

  URL='${url}'
  PASSWORD='${signIn.password}'
  TOTP_SECRET='${signIn.totpSecret}'

In a browser:  ${named}/demo

The current TOTP code:  npm run --silent admin -- totp code --secret ${signIn.totpSecret}
`);
}

/**
 * Starts a node until it accepts requests.
 * @param running gets everything that is opened, also if the start then fails
 * @throws Error if the node must not serve: {@link exitCodeOf} and {@link explainStart} describe
 * the end
 */
export async function startNode(
  running: Running,
  program: Pick<Invocation, 'env' | 'cwd' | 'stdout'>,
): Promise<void> {
  const say = (text: string) => program.stdout.write(`${text}\n`);
  readEnvironmentFile(program);
  const config = loadConfig(program.env);
  const ready = await openDatabase(config, running);
  // Before anything is changed, so that an unusable key stops the start.
  const deps = createDeps(ready);
  running.deps = deps;
  for (const sentence of config.unknownSettings) {
    deps.logger.warn({ code: 'UNKNOWN_SETTING' }, sentence);
  }
  const onWait = ({ message }: LockWait) => deps.logger.warn(message);
  const ownership = await assertGrants(ready, deps.logger);
  const applied = await prepareDatabase(ready, { onWait });
  await nameRoute(ready, deps.logger);
  running.embedded?.onExit((code) => {
    deps.logger.fatal({ code }, 'the embedded database stopped unexpectedly');
    process.exit(1);
  });
  if (config.mode === 'external' && !config.secrets) {
    deps.logger.warn(
      { dataDir: config.dataDir },
      'the keys come from this folder, because none are set',
    );
  }
  if (applied > 0) deps.logger.info({ applied }, 'migrations applied');
  deps.metrics.collectProcess();
  await assertSchema(ready, deps);
  await admitToDatabase(deps);
  warnOfOwnership(deps.logger, ownership);
  await deps.nodeClock.start();
  await renewAttempts(deps);
  await normalizeAddressesAtStart(deps);
  await compareDeclaredFiles(deps);
  deps.broadcast.start();
  deps.changeWatch.start();
  deps.mail.start();
  deps.sealer.start();
  deps.deliverer.start();
  deps.eventFeed.start();
  deps.trialEnds.start();
  deps.impersonationEnds.start();
  deps.membershipEnds.start();
  deps.domainChecks.start();
  const stops = [startMaintenance(deps), watchExports(deps)];
  running.stopMaintenance = () => stops.forEach((stop) => stop());
  running.http = await listen(deps);
  // Only after the port is bound: if the start failed later, the demo sign-in would never be shown.
  const signIn = config.mode === 'embedded' ? await createDemo(deps) : undefined;
  const { port } = running.http.server.address() as AddressInfo;
  const { host } = config;
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  greet(say, `http://${name}:${port}`, signIn);
  if (everywhere) say(`It listens on every address of this machine, because HOST is ${host}.`);
}

/**
 * Marks the node as stopping for `DRAIN_DELAY_SEC`, so that balancers see it before it stops
 * accepting requests. Then lets requests in progress finish, and closes everything that is open.
 */
export async function stopNode({ stopMaintenance, http, deps, embedded }: Running): Promise<void> {
  stopMaintenance?.();
  if (http && deps) {
    await deps.drain.begin(deps.config.drainDelaySec * SECOND_MS);
    deps.logger.info('accepting no new requests');
    await http.close();
  }
  await deps?.close();
  await embedded?.stop();
}

/** @returns the exit code of a node that failed to start */
export function exitCodeOf(error: unknown): number {
  if (error instanceof SchemaDriftError) return EXIT.SCHEMA_DRIFT;
  if (error instanceof OwnerRoleError) return EXIT.OWNER_ROLE;
  if (error instanceof KeyCheckError) return EXIT.WRONG_KEY;
  if (!(error instanceof MigrationError)) return EXIT.FAILED;
  if (isNewer(error)) return EXIT.DATABASE_NEWER;
  // Without problems, the database could not be reached, or the lock was not obtained.
  return error.problems.length > 0 ? EXIT.MIGRATIONS : EXIT.FAILED;
}

/** @returns a sentence for a known error, or the stack of an unexpected one */
export function explainStart(error: unknown): string {
  const named = error instanceof Error;
  const foreseen =
    named &&
    /ConfigError|MigrationError|SchemaDriftError|OwnerRoleError|KeyCheckError|EmbeddedPostgresError|ConnectionError|PoolerError|ListenError/.test(
      error.name,
    );
  return foreseen ? error.message : named ? (error.stack ?? error.message) : String(error);
}

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import express from 'express';
import type { createGuard as CreateGuard } from '../guard';
import type { ReadyConfig } from '../server/config';
import { systemContext } from '../server/context';
import { createDeps } from '../server/deps';
import { createServiceKey, serviceKeyInput } from '../server/service';
import type { Child, Job } from './child';
import { compare } from './compare';
import type { Comparison, Measured } from './compare';
import type { Gatehouse } from './gatehouse';
import type { Scenario } from './httpLoad';

/** Loads the guard as a team does: the built module. */
export async function loadGuard(): Promise<typeof CreateGuard> {
  const file = join(__dirname, '..', 'dist', 'guard', 'guard.mjs');
  const loaded = (await import(pathToFileURL(file).href)) as { createGuard: typeof CreateGuard };
  return loaded.createGuard;
}

/** Creates a key that may ask about tokens. */
export async function openAsker(config: ReadyConfig): Promise<string> {
  const deps = createDeps({ ...config, logLevel: 'silent' }, { sendsMail: false });
  const ctx = { ...systemContext('bench'), actor: 'operator:bench' };
  const name = `Guard ${Date.now()}`;
  const input = serviceKeyInput.parse({ name, scopes: ['introspect'], addresses: [] });
  const { key } = await createServiceKey(deps, ctx, input);
  await deps.close();
  return key;
}

/** The route of the yardstick `bare-express`, behind a guard. */
export async function guardedExpress(setup: { url: string; serviceKey: string }): Promise<Job> {
  const createGuard = await loadGuard();
  const guard = createGuard(setup);
  const app = express();
  app.get('/json', guard.express.authenticate(), (_req, res) => {
    res.json({ hello: 'world' });
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { ready: (server.address() as AddressInfo).port };
}

interface Tools {
  config: ReadyConfig;
  gatehouse: Gatehouse;
  child: (role: string, setup: object) => Promise<Child>;
  load: (port: number, scenario: Scenario) => Promise<Child>;
  onServer: (loader: Measured, cpuMs: () => Promise<number>) => Measured;
  rounds: number;
}

/** Compares a guarded route with the same route without a guard. */
export async function compareGuarded(tools: Tools, accessTokens: string[]): Promise<Comparison> {
  const { config, gatehouse, child, load, onServer } = tools;
  const serviceKey = await openAsker(config);
  const url = `http://127.0.0.1:${gatehouse.port}`;
  const guarded = await child('guarded-express', { url, serviceKey });
  const bare = await child('bare-express', {});
  const scenario = { kind: 'get' as const, path: '/json', accessTokens };
  const own = await load(guarded.ready as number, scenario);
  const other = await load(bare.ready as number, scenario);
  const comparison = await compare(
    {
      name: 'guarded',
      unit: 'an Express 5 JSON route behind the guard',
      yardstickName: 'the same route without a guard',
      aim: 0.9,
    },
    { measured: onServer(own, guarded.cpuMs), yardstick: onServer(other, bare.cpuMs) },
    { rounds: tools.rounds, ms: 1200, warmUpMs: 1200 },
  );
  await Promise.all([own.stop(), other.stop(), guarded.stop(), bare.stop()]);
  return comparison;
}

/** Compares introspections with a route that does nothing. */
export async function compareIntrospection(
  tools: Tools,
  accessTokens: string[],
): Promise<Comparison> {
  const { config, gatehouse, child, load, onServer } = tools;
  const key = await openAsker(config);
  const bare = await child('bare-express', {});
  const own = await load(gatehouse.port, { kind: 'introspect', key, accessTokens });
  const other = await load(bare.ready as number, { kind: 'get', path: '/json', accessTokens });
  const comparison = await compare(
    {
      name: 'introspect',
      unit: 'POST /api/token/introspect, without a cache,',
      yardstickName: 'a bare Express 5 JSON route',
      aim: 0.2,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: onServer(other, bare.cpuMs) },
    { rounds: tools.rounds, ms: 1200, warmUpMs: 1200 },
  );
  await Promise.all([own.stop(), other.stop(), bare.stop()]);
  return comparison;
}

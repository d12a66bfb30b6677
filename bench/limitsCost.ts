import { freePort } from '../server/embedded/freePort';
import type { Child } from './child';
import { compare } from './compare';
import type { Comparison, Measured } from './compare';
import { startGatehouse } from './gatehouse';
import type { Gatehouse } from './gatehouse';
import type { Scenario } from './httpLoad';

const OFF = {
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PER_ACCOUNT: '0',
  RATE_LIMIT_PER_TENANT: '0',
  RATE_LIMIT_PER_KEY: '0',
  RATE_LIMIT_PER_REPORTING_KEY: '0',
  RATE_LIMIT_PER_INTROSPECTING_KEY: '0',
};

interface Tools {
  /** The settings of the server with the limits. */
  env: Record<string, string>;
  gatehouse: Gatehouse;
  load: (port: number, scenario: Scenario) => Promise<Child>;
  /** Returns phases with the processor time of the server. */
  onServer: (loader: Measured, cpuMs: () => Promise<number>) => Measured;
  rounds: number;
}

/**
 * Compares authenticated requests with the rate limits to those without. The second server is the
 * same program on the same database, with every limit off.
 */
export async function compareLimits(tools: Tools, accessTokens: string[]): Promise<Comparison> {
  const { env, gatehouse, load, onServer } = tools;
  const without = await startGatehouse({ ...env, ...OFF, PORT: String(await freePort()) }, []);
  const scenario = { kind: 'get' as const, path: '/api/auth/me', accessTokens };
  const own = await load(gatehouse.port, scenario);
  const other = await load(without.port, scenario);
  const comparison = await compare(
    {
      name: 'limits',
      unit: 'GET /api/auth/me with the rate limits of account and tenant',
      yardstickName: 'the same with every rate limit off',
      aim: 0.95,
    },
    { measured: onServer(own, gatehouse.cpuMs), yardstick: onServer(other, without.cpuMs) },
    { rounds: tools.rounds, ms: 1200, warmUpMs: 1200 },
  );
  await Promise.all([own.stop(), other.stop()]);
  await without.stop();
  return comparison;
}

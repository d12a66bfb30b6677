import type { Express } from 'express';
import { loadConfig, requireReady } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import type { Clock } from '@/server/context';
import { createApp } from '@/server/createApp';
import { createDeps } from '@/server/deps';
import type { Deps } from '@/server/deps';
import { servingUrl } from '../database/testDatabase';
import { closeLater } from './closing';
import { seedByClock } from '../time/seedClock';

export interface MovableClock extends Clock {
  forward(seconds: number): void;
}

const STEP_MS = 30_000;

/**
 * Starts in the middle of a TOTP time step, so that no test crosses a step by chance. Seeded tokens
 * carry its time.
 */
export function createMovableClock(): MovableClock {
  let now = Math.floor(Date.now() / STEP_MS) * STEP_MS + STEP_MS / 2;
  const clock: MovableClock = {
    now: () => new Date(now),
    forward(seconds) {
      now += seconds * 1000;
    },
  };
  seedByClock(clock);
  return clock;
}

const built = new WeakMap<Express, Deps>();

/** Returns what an application was built on: one of `buildApp`, or that of `@/server/app`. */
export const depsOf = (app: Express): Deps =>
  built.get(app) ?? jest.requireActual<{ deps: Deps }>('@/server/app').deps;

/**
 * Builds another application on this test file's database, with other settings, another clock or
 * logger. It connects as a role that owns nothing, so that row-level security binds it.
 * @param role `owner` connects as the role of the tests' own SQL
 */
export function buildApp(
  settings: Partial<ReadyConfig> = {},
  overrides: Parameters<typeof createDeps>[1] = {},
  role: 'serving' | 'owner' = 'serving',
): { app: Express; deps: Deps } {
  const own = requireReady(loadConfig());
  const config = { ...own, ...settings };
  const isGiven = role === 'owner' || config.databaseUrl !== own.databaseUrl;
  const databaseUrl = isGiven ? config.databaseUrl : servingUrl(own.databaseUrl);
  const deps = createDeps({ ...config, databaseUrl }, overrides);
  closeLater(() => deps.close());
  const app = createApp(deps);
  built.set(app, deps);
  return { app, deps };
}

import type { Express } from 'express';
import { loadConfig, requireReady } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import type { RequestContext } from '@/server/context';
import type { Deps } from '@/server/deps';
import { buildApp } from './testApp';

/** A clock that stands at the real time plus whatever it was moved by. */
export interface MovableClock {
  now(): Date;
  advance(seconds: number): void;
  /** Stands still from now on, but for being moved: for what is exact to the second on a busy machine. */
  stop(): void;
}

export interface Node {
  app: Express;
  deps: Deps;
  clock: MovableClock;
}

/** The application once more on this file's database, with connections, caches and a clock of its own. */
export function openNode(change: (config: ReadyConfig) => ReadyConfig = (config) => config): Node {
  let movedMs = 0;
  let standsAt: number | undefined;
  const clock = {
    now: () => new Date((standsAt ?? Date.now()) + movedMs),
    advance: (seconds: number) => void (movedMs += seconds * 1000),
    stop: () => void (standsAt = Date.now()),
  };
  return { ...buildApp(change(requireReady(loadConfig())), { clock }), clock };
}

/** Who acts where no request does: an operator. */
export const operatorContext: RequestContext = {
  correlationId: 'operator',
  tenantId: null,
  actor: 'system',
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
};

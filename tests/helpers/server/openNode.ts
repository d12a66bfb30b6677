import type { Express } from 'express';
import { loadConfig, requireReady } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import type { RequestContext } from '@/server/context';
import type { Deps } from '@/server/deps';
import { buildApp } from './testApp';

/** A clock that shows the real time plus the time by which it was moved. */
export interface MovableClock {
  now(): Date;
  advance(seconds: number): void;
  /**
   * Stops the clock, which then changes only if it is moved. Use it for times that must be exact to
   * the second on a busy machine.
   */
  stop(): void;
}

export interface Node {
  app: Express;
  deps: Deps;
  clock: MovableClock;
}

/**
 * Opens the application once more on this file's database, with its own connections, caches and
 * clock.
 */
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

/** The context of an action without a request: an operator's. */
export const operatorContext: RequestContext = {
  correlationId: 'operator',
  tenantId: null,
  actor: 'system',
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
};

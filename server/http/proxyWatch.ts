import type { Clock } from '../context';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { MINUTE_MS } from '../durations';

const LOGGED_EVERY_MS = MINUTE_MS;
/** How long readiness reports a proxy after its last request without a usable address. */
const TOLD_FOR_MS = 5 * MINUTE_MS;
/** There are few proxies, but a hop count trusts any address that connects. */
const MOST_PROXIES = 50;

/** Remembers the trusted proxies that send no usable client address. */
export interface ProxyWatch {
  /** Records a request from this proxy without a usable client address. */
  note(proxy: string | null): void;
  /** Lists the proxies that did so in the last minutes. */
  silent(): string[];
}

interface Sighting {
  at: number;
  loggedAt: number;
}

export function createProxyWatch(deps: {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
}): ProxyWatch {
  const seen = new Map<string, Sighting>();
  return {
    note(proxy) {
      deps.metrics.requestsWithoutAddress.inc();
      const now = deps.clock.now().getTime();
      const name = proxy ?? 'unknown';
      const before = seen.get(name);
      if (!before && seen.size >= MOST_PROXIES) {
        for (const [old, { at }] of seen) if (now - at > TOLD_FOR_MS) seen.delete(old);
        if (seen.size >= MOST_PROXIES) return;
      }
      const due = !before || now - before.loggedAt >= LOGGED_EVERY_MS;
      seen.set(name, { at: now, loggedAt: due ? now : before.loggedAt });
      if (!due) return;
      const what =
        'a trusted proxy sends no usable client address: check the X-Forwarded-For header that it sends, and TRUST_PROXY';
      deps.logger.warn({ proxy: name }, what);
    },
    silent() {
      const now = deps.clock.now().getTime();
      return [...seen].filter(([, { at }]) => now - at <= TOLD_FOR_MS).map(([name]) => name);
    },
  };
}

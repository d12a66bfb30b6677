import type { EventFeedSettings } from '../../../config/eventFeedSettings';
import type { Clock, Random } from '../../../context';
import { connect } from '../../../db';
import type { Logger } from '../../../logger';
import type { Metrics } from '../../../metrics';
import { STATEMENT_TIMEOUT_MS } from '../leaseStore';
import { createTurns } from '../repeatTurns';
import { openPoster } from '../webhookPost';
import { MOST_EVENTS, takeFeedTurn } from './feedTurn';
import type { FeedMemory } from './feedTurn';
import { linesOf } from './leafStore';

/** Sends every audit event to a receiver, independently of the sealer that puts the events under checkpoints. */
export interface EventFeed {
  /**
   * Checks every half second what the receiver lacks, until the feed is closed. Does nothing if no receiver is
   * configured.
   */
  start(): void;
  /** Gives deliveries under way a few seconds to finish; the next process delivers the rest. */
  close(): Promise<void>;
}

export interface EventFeedDeps {
  readonly databaseUrl: string;
  readonly settings: EventFeedSettings | undefined;
  /** The release of this program, which the lines name. */
  readonly release: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long the receiver may take, in milliseconds; tests shorten it. */
  readonly timeoutMs?: number | undefined;
}

const POOL_SIZE = 2;

/** Constructs the feed; it sends nothing before it is started. */
export function createEventFeed(options: EventFeedDeps): EventFeed {
  const { settings, random, logger, metrics, release } = options;
  if (!settings) return { start: () => undefined, close: () => Promise.resolve() };
  const database = connect({
    url: options.databaseUrl,
    poolSize: POOL_SIZE,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'a connection for delivering audit events broke'),
  });
  const poster = openPoster(settings, options.clock, options.timeoutMs);
  const turns = createTurns({ task: 'deliver_events', logger, metrics });
  const { ending, stopped } = turns;
  const readLines = linesOf(settings.format, release);
  const common = { database, settings, poster, readLines };
  const deps = { ...common, random, logger, metrics, ending, stopped };
  const memory: FeedMemory = {
    compared: false,
    failing: false,
    refused: 0,
    most: MOST_EVENTS,
    meteredAt: -Infinity,
  };
  let started = false;
  return {
    start() {
      if (started) return;
      started = true;
      turns.repeat(() => takeFeedTurn(deps, memory), {
        sink: 'event feed',
        complaint: 'undelivered audit events could not be read',
      });
    },
    close: () =>
      turns.close(() => {
        poster.close();
        return database.close();
      }),
  };
}

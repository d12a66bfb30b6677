import type { EventFeedSettings } from '../../eventFeedSettings';
import type { Random } from '../../context';
import { connect } from '../../db';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { createTurns } from '../log/repeatTurns';
import { openPoster } from '../log/webhookPost';
import { MOST_EVENTS, takeFeedTurn } from './feedTurn';
import type { FeedMemory } from './feedTurn';
import { linesOf } from './leafStore';

/** Sends every audit event to a receiver, beside the sealer that puts them under checkpoints. */
export interface EventFeed {
  /** Looks twice a second for what the receiver lacks, until it is closed. Nothing where no receiver is set. */
  start(): void;
  /** Lets what is under way finish within seconds; the rest is the next process's. */
  close(): Promise<void>;
}

export interface EventFeedDeps {
  readonly databaseUrl: string;
  readonly settings: EventFeedSettings | undefined;
  /** Of this program, which the lines name. */
  readonly release: string;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Milliseconds that the receiver may take, where a test has no time. */
  readonly timeoutMs?: number | undefined;
}

const STATEMENT_TIMEOUT_MS = 4000;
const POOL_SIZE = 2;

/** Constructs the feed; nothing is sent before it is started. */
export function createEventFeed(options: EventFeedDeps): EventFeed {
  const { settings, random, logger, metrics, release } = options;
  if (!settings) return { start: () => undefined, close: () => Promise.resolve() };
  const database = connect({
    url: options.databaseUrl,
    poolSize: POOL_SIZE,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'a connection for delivering audit events broke'),
  });
  const poster = openPoster(settings, options.timeoutMs);
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
    meteredAt: 0,
  };
  let started = false;
  return {
    start() {
      if (started) return;
      started = true;
      turns.repeat(() => takeFeedTurn(deps, memory), {
        sink: 'event feed',
        complaint: 'audit events cannot be looked for',
      });
    },
    close: () =>
      turns.close(() => {
        poster.close();
        return database.close();
      }),
  };
}

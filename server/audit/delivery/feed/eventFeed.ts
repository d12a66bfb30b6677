import type { EventFeedSettings } from '../../../config/eventFeedSettings';
import type { Clock, Random } from '../../../context';
import type { Logger } from '../../../logger';
import { createLogOnce } from '../../../logOnce';
import type { Metrics } from '../../../metrics';
import { openDelivery } from '../openDelivery';
import type { Delivery, DeliveryTurn } from '../openDelivery';
import { openPoster } from '../webhookPost';
import { MOST_EVENTS, takeFeedTurn } from './feedTurn';
import type { FeedMemory } from './feedTurn';
import { linesOf } from './leafStore';

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

/** Constructs the delivery of every audit event to one receiver. */
export function createEventFeed(options: EventFeedDeps): Delivery {
  const { databaseUrl, settings, random, logger, metrics, release } = options;
  if (!settings) return { start: () => undefined, close: () => Promise.resolve() };
  const poster = openPoster(settings, options.clock, options.timeoutMs);
  const deps = { settings, poster, readLines: linesOf(settings.format, release), random, metrics };
  const memory: FeedMemory = {
    compared: false,
    failing: false,
    refused: 0,
    most: MOST_EVENTS,
    meteredAt: -Infinity,
    logOnce: createLogOnce(),
  };
  const receiver = {
    sink: 'event feed',
    takeTurn: (turn: DeliveryTurn) => takeFeedTurn({ ...turn, ...deps }, memory),
    close: () => poster.close(),
  };
  return openDelivery({
    databaseUrl,
    logger,
    metrics,
    receivers: [receiver],
    poolSize: POOL_SIZE,
    task: 'deliver_events',
    contents: 'audit events',
  });
}

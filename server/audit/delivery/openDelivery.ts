import { createTurns } from '../../backgroundTurns';
import type { Turn } from '../../backgroundTurns';
import { connect } from '../../db';
import type { Database } from '../../db';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { STATEMENT_TIMEOUT_MS } from './leaseStore';

/** Delivers to receivers outside the database, independently of the sealer that signs what is delivered. */
export interface Delivery {
  /**
   * Checks every half second what each receiver lacks, until the delivery is closed. Does nothing if no receiver is
   * configured.
   */
  start(): void;
  /** Gives deliveries under way a few seconds to finish; the next process delivers the rest. */
  close(): Promise<void>;
}

/** Passed to each turn of a delivery. */
export interface DeliveryTurn extends Turn {
  readonly database: Database;
  readonly logger: Logger;
}

interface DeliveryTarget {
  /** Its name in the log. */
  readonly sink: string;
  /** Delivers everything that the receiver lacks. */
  readonly takeTurn: (turn: DeliveryTurn) => Promise<void>;
  /** Releases what the turns used. */
  close(): void;
}

interface DeliveryOptions {
  readonly databaseUrl: string;
  readonly poolSize: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The name of the work in the metrics. */
  readonly task: string;
  /** The name of the delivered things in the log. */
  readonly contents: string;
  readonly receivers: readonly DeliveryTarget[];
}

const EVERY_MS = 500;
/** On close, a turn under way may take this long to finish, and as long again after it was aborted. */
const CLOSE_MS = 3000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** Constructs a delivery with database connections of its own; it sends nothing before it is started. */
export function openDelivery(options: DeliveryOptions): Delivery {
  const { logger, metrics, task, contents, receivers } = options;
  const database = connect({
    url: options.databaseUrl,
    poolSize: options.poolSize,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, `a connection for delivering ${contents} broke`),
  });
  const all = receivers.map(({ sink, takeTurn }) => {
    const logFailure = (line: object) =>
      logger.error({ ...line, sink }, `undelivered ${contents} could not be read`);
    return createTurns({ task, everyMs: EVERY_MS, metrics, logFailure }, (turn) =>
      takeTurn({ ...turn, database, logger }),
    );
  });
  return {
    start() {
      for (const turns of all) turns.start();
    },
    async close() {
      const stopped = Promise.all(all.map((turns) => turns.stop(CLOSE_MS)));
      await Promise.race([stopped, pause(2 * CLOSE_MS)]);
      for (const receiver of receivers) receiver.close();
      await Promise.race([database.close(), pause(CLOSE_MS)]);
    },
  };
}

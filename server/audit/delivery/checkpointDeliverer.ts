import type { CheckpointSettings } from '../../config/checkpointSettings';
import type { Clock, Random } from '../../context';
import { connect } from '../../db';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { openFileSink } from './deliverFile';
import { takeTurn } from './deliverTurn';
import type { SinkMemory } from './deliverTurn';
import { openWebhookSink } from './deliverWebhook';
import { STATEMENT_TIMEOUT_MS } from './leaseStore';
import { createTurns } from './repeatTurns';

/** Delivers signed checkpoints to places outside the database, independently of the sealer that signs them. */
export interface CheckpointDeliverer {
  /**
   * Checks every half second what each sink lacks, until the deliverer is closed. Does nothing if no sink is
   * configured.
   */
  start(): void;
  /** Gives deliveries under way a few seconds to finish; the next process delivers the rest. */
  close(): Promise<void>;
}

export interface DelivererDeps {
  readonly databaseUrl: string;
  readonly checkpoints: CheckpointSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long a receiver may take, in milliseconds; tests shorten it. */
  readonly webhookTimeoutMs?: number | undefined;
}

/** Constructs the deliverer; it sends nothing and opens no file before it is started. */
export function createCheckpointDeliverer(options: DelivererDeps): CheckpointDeliverer {
  const { checkpoints, logger, metrics, random } = options;
  const sinks = [
    ...(checkpoints.file ? [openFileSink(checkpoints.file)] : []),
    ...(checkpoints.webhook
      ? [openWebhookSink(checkpoints.webhook, options.clock, options.webhookTimeoutMs)]
      : []),
  ];
  const database = connect({
    url: options.databaseUrl,
    poolSize: Math.max(1, sinks.length),
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'a connection for delivering checkpoints broke'),
  });
  const turns = createTurns({ task: 'deliver_checkpoints', logger, metrics });
  const { ending, stopped } = turns;
  const deps = { database, processId: random.id(), logger, metrics, ending, stopped };
  let started = false;

  return {
    start() {
      if (started) return;
      started = true;
      for (const sink of sinks) {
        const memory: SinkMemory = { sink, asked: false };
        turns.repeat(() => takeTurn(deps, memory), {
          sink: sink.kind,
          complaint: 'undelivered checkpoints could not be read',
        });
      }
    },
    close: () =>
      turns.close(() => {
        for (const sink of sinks) sink.close();
        return database.close();
      }),
  };
}

import type { CheckpointSettings } from '../../config/checkpointSettings';
import type { Clock, Random } from '../../context';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { createLogOnce } from '../../logOnce';
import { openFileSink } from './deliverFile';
import { takeTurn } from './deliverTurn';
import type { SinkMemory } from './deliverTurn';
import { openWebhookSink } from './deliverWebhook';
import { openDelivery } from './openDelivery';
import type { Delivery, DeliveryTurn } from './openDelivery';

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

/** Constructs the delivery of signed checkpoints to their sinks; it opens no file before it is started. */
export function createCheckpointDeliverer(options: DelivererDeps): Delivery {
  const { databaseUrl, checkpoints, logger, metrics, random } = options;
  const sinks = [
    ...(checkpoints.file ? [openFileSink(checkpoints.file)] : []),
    ...(checkpoints.webhook
      ? [openWebhookSink(checkpoints.webhook, options.clock, options.webhookTimeoutMs)]
      : []),
  ];
  const processId = random.id();
  const receivers = sinks.map((sink) => {
    const memory: SinkMemory = { sink, asked: false, logOnce: createLogOnce() };
    return {
      sink: sink.kind,
      takeTurn: (turn: DeliveryTurn) => takeTurn({ ...turn, processId, metrics }, memory),
      close: () => sink.close(),
    };
  });
  return openDelivery({
    databaseUrl,
    logger,
    metrics,
    receivers,
    poolSize: Math.max(1, sinks.length),
    task: 'deliver_checkpoints',
    contents: 'checkpoints',
  });
}

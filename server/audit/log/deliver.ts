import type { CheckpointSettings } from '../../checkpointSettings';
import type { Random } from '../../context';
import { connect } from '../../db';
import { databaseFault } from '../../db/pgErrors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { openFileSink } from './deliverFile';
import { takeTurn } from './deliverTurn';
import type { SinkMemory, TurnDeps } from './deliverTurn';
import { openWebhookSink } from './deliverWebhook';

/** Takes signed heads out of the building, beside the sealer that signs them. */
export interface CheckpointDeliverer {
  /** Looks twice a second for what each sink lacks, until it is closed. Nothing where no sink is set. */
  start(): void;
  /** Lets what is under way finish within seconds; the rest is the next process's. */
  close(): Promise<void>;
}

export interface DelivererDeps {
  readonly databaseUrl: string;
  readonly checkpoints: CheckpointSettings;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Milliseconds that a receiver may take, where a test has no time. */
  readonly webhookTimeoutMs?: number | undefined;
}

const EVERY_MS = 500;
const STATEMENT_TIMEOUT_MS = 4000;
/** What is under way when the process is told to stop may take so long, and then so long again to be noted. */
const CLOSE_MS = 3000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** Turns of one sink, one after the other. @returns what settles when the last has ended */
function work(deps: TurnDeps & Pick<DelivererDeps, 'metrics'>, memory: SinkMemory) {
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();
  let failing = false;

  async function once(): Promise<void> {
    try {
      await takeTurn(deps, memory);
      failing = false;
    } catch (err) {
      deps.metrics.backgroundFailures.inc({ task: 'deliver_checkpoints' });
      // Said once, not twice a second.
      const line = { err, fault: databaseFault(err), sink: memory.sink.kind };
      if (!failing) deps.logger.error(line, 'checkpoints cannot be looked for');
      failing = true;
    }
    if (!deps.stopped()) timer = setTimeout(begin, EVERY_MS).unref();
  }
  const begin = () => void (turn = once());
  begin();
  return async () => {
    clearTimeout(timer);
    await turn;
  };
}

/** Constructs the deliverer; nothing is sent and no file is opened before it is started. */
export function createCheckpointDeliverer(options: DelivererDeps): CheckpointDeliverer {
  const { checkpoints, logger, metrics, random } = options;
  const sinks = [
    ...(checkpoints.file ? [openFileSink(checkpoints.file)] : []),
    ...(checkpoints.webhook
      ? [openWebhookSink(checkpoints.webhook, options.webhookTimeoutMs)]
      : []),
  ];
  const database = connect({
    url: options.databaseUrl,
    poolSize: Math.max(1, sinks.length),
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError: (err) => logger.warn({ err }, 'a connection for delivering checkpoints broke'),
  });
  const ending = new AbortController();
  const state = { stopped: false };
  const deps = {
    database,
    processId: random.id(),
    logger,
    metrics,
    ending: ending.signal,
    stopped: () => state.stopped,
  };
  let settles: (() => Promise<void>)[] | undefined;

  return {
    start() {
      settles ??= sinks.map((sink) => work(deps, { sink, asked: false }));
    },
    async close() {
      state.stopped = true;
      const settled = Promise.all((settles ?? []).map((settle) => settle()));
      await Promise.race([settled, pause(CLOSE_MS)]);
      ending.abort();
      await Promise.race([settled, pause(CLOSE_MS)]);
      for (const sink of sinks) sink.close();
      await Promise.race([database.close(), pause(CLOSE_MS)]);
    },
  };
}

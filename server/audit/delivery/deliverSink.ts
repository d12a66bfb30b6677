import type { NumberedNote } from './deliverStore';

/** A destination that checkpoints are delivered to. */
export interface Sink {
  readonly kind: 'file' | 'webhook';
  /** Unique among all nodes. */
  readonly name: string;
  /** The number of checkpoints in one delivery. */
  readonly atOnce: number;
  /**
   * Reads from the target itself what it was given last, if the target can be read.
   * @returns the last notes, oldest first; undefined if nobody has touched the target since this process wrote to it
   * @throws DeliveryError
   */
  recall?(): Promise<readonly string[] | undefined>;
  /**
   * Delivers checkpoints. Once it resolves, the target has stored them for good.
   * @param ending aborted when the process cannot wait any longer
   * @throws DeliveryError
   */
  send(checkpoints: readonly NumberedNote[], ending: AbortSignal): Promise<void>;
  close(): void;
}

/** A sink did not accept a delivery. */
export class DeliveryError extends Error {
  constructor(
    /** For the server's log and for people who read the table; it holds no address and no secret. */
    readonly reason: string,
    /** How long the receiver asked us to wait before a retry, in milliseconds. */
    readonly retryAfterMs = 0,
  ) {
    super(reason);
    this.name = 'DeliveryError';
  }
}

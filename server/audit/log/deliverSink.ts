import type { NumberedNote } from './deliverStore';

/** Somewhere that checkpoints are delivered to. */
export interface Sink {
  readonly kind: 'file' | 'webhook';
  /** Its name among all nodes. */
  readonly name: string;
  /** How many are handed over together. */
  readonly atOnce: number;
  /**
   * Asks the target itself what it was given last, where it can say so.
   * @returns the last notes, the oldest first; undefined where nobody has touched it since we did
   * @throws DeliveryError
   */
  recall?(): Promise<readonly string[] | undefined>;
  /**
   * Hands checkpoints over; when it resolves they are there to stay.
   * @param ending aborted when the process cannot wait any longer
   * @throws DeliveryError
   */
  send(checkpoints: readonly NumberedNote[], ending: AbortSignal): Promise<void>;
  close(): void;
}

/** A sink did not take what it was given. */
export class DeliveryError extends Error {
  constructor(
    /** For the log, and for whoever looks into the table: no address, no secret. */
    readonly reason: string,
    /** The receiver asked not to be tried before. */
    readonly retryAfterMs = 0,
  ) {
    super(reason);
    this.name = 'DeliveryError';
  }
}

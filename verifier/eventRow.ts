import type { LeafEvent } from './leafEvent';

/** An event of a bundle, as its row was read. Readers use one for many rows. */
export interface EventRow {
  /** From 1 on. */
  number: number;
  leaf: number;
  id: string;
  occurredAt: string;
  sealedAt: string;
  action: string;
  /** The leaf hash of what the row says. */
  hash: Buffer;
  /** What is wrong with how it is written; all else is worth nothing then. */
  problem: string | undefined;
}

export const emptyRow = (): EventRow => ({
  ...{ number: 0, leaf: -1, id: '', occurredAt: '', sealedAt: '', action: '' },
  ...{ hash: Buffer.alloc(0), problem: undefined },
});

/** Reads the rows of one format. */
export interface RowDecoder {
  /** The first record, if the format has one. */
  readonly header: Buffer;
  /**
   * Reads one row into `row`.
   * @returns where it ends; -1 where more bytes are needed
   */
  decode(bytes: Buffer, at: number, row: EventRow): number;
  /** The event of a row that was decoded without a problem, from its bytes. */
  event(bytes: Buffer): LeafEvent;
}

/** `2026-01-31T23:59:59.120Z` and nothing else: such texts compare as the times do. */
const INSTANT = /^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z$/;
export const isInstant = (text: string): boolean => INSTANT.test(text);

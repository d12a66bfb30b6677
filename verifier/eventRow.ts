import type { LeafEvent } from './leafEvent';

/** An event of a bundle, as read from its row. A reader reuses one object for many rows. */
export interface EventRow {
  /** Counts from 1. */
  number: number;
  leaf: number;
  id: string;
  occurredAt: string;
  sealedAt: string;
  action: string;
  /** The leaf hash of the event in the row. */
  hash: Buffer;
  /** The fault in the form of the row, if there is one. The other members cannot be used then. */
  problem: string | undefined;
}

export const emptyRow = (): EventRow => ({
  ...{ number: 0, leaf: -1, id: '', occurredAt: '', sealedAt: '', action: '' },
  ...{ hash: Buffer.alloc(0), problem: undefined },
});

/** Reads the rows of one format. */
export interface RowDecoder {
  /** The first record of the file, or empty if the format has none. */
  readonly header: Buffer;
  /** Reads one row into `row`. @returns the index after the row, or -1 if more bytes are needed */
  decode(bytes: Buffer, at: number, row: EventRow): number;
  /** Returns the event of a row that was decoded without a problem, read from its bytes. */
  event(bytes: Buffer): LeafEvent;
}

/**
 * Matches only texts like `2026-01-31T23:59:59.120Z`. Such texts sort in the order of their times.
 */
const INSTANT = /^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z$/;
export const isInstant = (text: string): boolean => INSTANT.test(text);

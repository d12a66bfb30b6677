import { AppError } from '../errors';

/** The position at which a page begins, newest first: below this row. */
export interface TimeCursor {
  readonly occurredAt: Date;
  readonly id: string;
}

/** Builds the error for a cursor that the server did not issue. */
export const invalidCursor = () =>
  new AppError('INVALID_INPUT', { detail: 'cursor is not a value that this API returned' });

/** Encodes a cursor for the client. */
export const toCursor = ({ occurredAt, id }: TimeCursor): string =>
  Buffer.from(`${occurredAt.getTime()}/${id}`).toString('base64url');

/** Milliseconds to the end of the year 9999, the latest time that the database can read. */
const LATEST = 253_402_300_799_999;
const CURSOR = /^(\d{1,15})\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * Decodes a cursor.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export function fromCursor(cursor: string): TimeCursor {
  const [, time, id] = CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (time === undefined || id === undefined || Number(time) > LATEST) {
    throw invalidCursor();
  }
  return { occurredAt: new Date(Number(time)), id };
}

/**
 * Cuts a page from rows of which one more was read than the page shows, to learn whether there is a
 * next page.
 * @param toPlace encodes the place of a row as a cursor
 */
export function cutPage<Row>(
  rows: readonly Row[],
  limit: number,
  toPlace: (row: Row) => string,
): { shown: Row[]; nextCursor: string | null } {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { shown, nextCursor: last ? toPlace(last) : null };
}

import { AppError } from '../errors';

/** The position at which a page begins, newest first: below this row. */
export interface TimeCursor {
  readonly occurredAt: Date;
  readonly id: string;
}

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
    throw new AppError('INVALID_INPUT', { detail: 'cursor is not a value that this API returned' });
  }
  return { occurredAt: new Date(Number(time)), id };
}

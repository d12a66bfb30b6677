import { v7 } from 'uuid';
import { z } from 'zod';
import { AppError } from '../errors';

/**
 * Returns a UUIDv7 (RFC 9562 5.7), with the time and the random bytes given by the caller.
 * @param at milliseconds since the epoch
 * @param random 16 random bytes
 */
export function uuidV7(at: number, random: Buffer): string {
  return v7({ msecs: at, random, seq: random.readUInt32BE(0) });
}

/**
 * Returns whether a text can be the id of a row. Postgres answers any other text with an error. It
 * accepts versions of UUIDs that RFC 9562 does not define, as a `uuid` column does, so that
 * `verify-log` can name a row that was written past the server.
 */
export const isRowId = (text: string): boolean => z.guid().safeParse(text).success;

/**
 * Throws if a text cannot be the id of a row. Such a text belongs to nobody, so it gets the same
 * answer as the id of somebody else's row.
 * @throws AppError NOT_FOUND
 */
export function assertRowId(text: string): void {
  if (!isRowId(text)) throw new AppError('NOT_FOUND');
}

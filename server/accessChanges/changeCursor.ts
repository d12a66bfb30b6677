import { createHash } from 'node:crypto';
import type { Reading } from './changeStore';

/** A place in the changes of one history of one database. */
export interface ChangeCursor {
  epoch: string;
  /** Every change of transactions before this one was delivered. */
  xmin: bigint;
}

/** Matches a cursor: the epoch and a transaction id. */
const CURSOR = /^([A-Za-z0-9_-]{16})\.(\d{1,20})$/;

/** The epoch as a cursor names it. It tells nobody about the database. */
const shortEpoch = (epoch: string): string =>
  createHash('sha256').update(epoch).digest('base64url').slice(0, 16);

/** Returns the cursor after everything that a reading saw. */
export const toCursor = ({ epoch, xmin }: Pick<Reading, 'epoch' | 'xmin'>): string =>
  `${shortEpoch(epoch)}.${xmin}`;

/** Returns the transaction id of a cursor; undefined if it is no cursor. */
export function parseCursor(text: string | undefined): ChangeCursor | undefined {
  const [, epoch, xmin] = CURSOR.exec(text ?? '') ?? [];
  return epoch === undefined || xmin === undefined ? undefined : { epoch, xmin: BigInt(xmin) };
}

/** Why a guard has to forget everything: its cursor does not continue into this reading. */
export type CursorFault = 'started' | 'new_epoch' | 'cursor_too_old';

/** Returns why a cursor does not continue into a reading; undefined if it does. */
export function faultOf(
  cursor: ChangeCursor | undefined,
  reading: Reading,
): CursorFault | undefined {
  if (!cursor) return 'started';
  if (cursor.epoch !== shortEpoch(reading.epoch) || cursor.xmin > BigInt(reading.xmax))
    return 'new_epoch';
  return cursor.xmin < BigInt(reading.purgedBelow) ? 'cursor_too_old' : undefined;
}

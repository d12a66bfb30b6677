import { v7 } from 'uuid';

/**
 * Returns a UUIDv7 (RFC 9562 5.7), with the time and the random bytes given by the caller.
 * @param at milliseconds since the epoch
 * @param random 16 random bytes
 */
export function uuidV7(at: number, random: Buffer): string {
  return v7({ msecs: at, random, seq: random.readUInt32BE(0) });
}

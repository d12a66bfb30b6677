import { v7 } from 'uuid';

/**
 * A UUIDv7 (RFC 9562 5.7) from an injected clock and source of chance.
 * @param at milliseconds since the epoch
 * @param random 16 random bytes
 */
export function uuidV7(at: number, random: Buffer): string {
  return v7({ msecs: at, random, seq: random.readUInt32BE(0) });
}

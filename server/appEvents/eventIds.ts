/** The bits of an id that number the events of a batch. */
const COUNT_BITS = 7n;

const toNumber = (id: string): bigint => BigInt(`0x${id.replaceAll('-', '')}`);

function toId(number: bigint): string {
  const hex = number.toString(16).padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Makes the id of a batch's first event out of a new id: its last bits are zero. */
export const firstIdOf = (fresh: string): string =>
  toId((toNumber(fresh) >> COUNT_BITS) << COUNT_BITS);

/**
 * Returns the ids of a batch's events, which follow the first one by one (RFC 9562 6.2). So a batch
 * need not store them all, and the ids sort in the order of the events.
 */
export function idsOf(first: string, events: number): string[] {
  const start = toNumber(first);
  return Array.from({ length: events }, (_, at) => toId(start + BigInt(at)));
}

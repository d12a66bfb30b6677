/** Postgres accepts notifications of less than 8000 bytes. */
const MOST_BYTES = 7000;

/** Packs messages into as few notifications as possible, each with its sender. */
export function packMessages(sender: string, messages: readonly string[]): string[] {
  const packs: string[] = [];
  let current: string[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = Buffer.byteLength(JSON.stringify(message)) + 1;
    if (bytes + size > MOST_BYTES && current.length > 0) {
      packs.push(JSON.stringify([sender, ...current]));
      [current, bytes] = [[], 0];
    }
    current.push(message);
    bytes += size;
  }
  return [...packs, JSON.stringify([sender, ...current])];
}

/**
 * @returns the sender and its messages, or an empty list for a foreign notification, because any
 *   client of the database may notify
 */
export function unpackMessages(payload: string): string[] {
  try {
    const parsed: unknown = JSON.parse(payload);
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return [];
  }
}

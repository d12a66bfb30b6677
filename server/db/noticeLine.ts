import { Client } from 'pg';
import { MINUTE_MS } from '../durations';

/** A connection that listens on one channel, and is reopened whenever it breaks. */
export interface NoticeLine {
  close(): Promise<void>;
}

interface LineOptions {
  url: string;
  channel: string;
  onNotice: (payload: string) => void;
  /** Called when it listens. Earlier notifications are lost. */
  onUp: () => void;
  onDown: () => void;
}

const RETRY_MS = 2000;
/** The delay if the engine has no LISTEN, in milliseconds. */
const RETRY_UNSUPPORTED_MS = MINUTE_MS;
const UNSUPPORTED = new Set(['0A000', '42601']);
const SILENCE_MS = 5000;

function newClient(url: string): Client {
  return new Client({
    connectionString: url,
    application_name: 'gatehouse-broadcast',
    connectionTimeoutMillis: 3000,
    query_timeout: SILENCE_MS,
    keepAlive: true,
  });
}

/** Opens the line at once, and retries if that fails. */
export function openNoticeLine(options: LineOptions): NoticeLine {
  let client: Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  function drop(broken: Client, retryMs = RETRY_MS): void {
    if (client !== broken) return;
    client = undefined;
    options.onDown();
    broken.end().catch(() => undefined);
    if (closed) return;
    retry = setTimeout(() => void open(), retryMs);
    retry.unref();
  }

  async function open(): Promise<void> {
    const opening = newClient(options.url);
    client = opening;
    opening.on('error', () => drop(opening));
    opening.on('end', () => drop(opening));
    opening.on('notification', ({ payload }) => options.onNotice(payload ?? ''));
    try {
      await opening.connect();
      await opening.query(`LISTEN ${opening.escapeIdentifier(options.channel)}`);
      options.onUp();
    } catch (error) {
      const { code = '' } = error as { code?: string };
      drop(opening, UNSUPPORTED.has(code) ? RETRY_UNSUPPORTED_MS : RETRY_MS);
    }
  }

  void open();
  return {
    async close() {
      closed = true;
      clearTimeout(retry);
      const open = client;
      client = undefined;
      await open?.end().catch(() => undefined);
    },
  };
}

/**
 * Sends notifications once, over a connection of its own, for a process that does not listen.
 * @throws the driver's error if the database cannot be reached
 */
export async function notifyOnce(
  { url, channel }: Pick<LineOptions, 'url' | 'channel'>,
  payloads: readonly string[],
): Promise<void> {
  const client = newClient(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    for (const payload of payloads) {
      await client.query('SELECT pg_notify($1, $2)', [channel, payload]);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/**
 * `mute`: data from the client arrives, and no answer comes back. `hang`: nothing arrives either.
 */
type Mode = 'forward' | 'refuse' | 'mute' | 'hang';

export interface TcpProxy {
  /** The given URL, through the proxy. */
  url: string;
  /** Applies from now on, also to open connections; `refuse` breaks those. */
  set(mode: Mode): void;
  /**
   * Calls back before data that contains this text is sent on. A later call replaces an earlier
   * one.
   * @param passes returns whether the data is sent on; if not, that connection stays silent
   */
  watchFor(text: string, passes: () => boolean): void;
  /**
   * Replaces a text in the data from clients by another of the same length.
   * @returns a function that returns how often the text has occurred
   */
  replace(text: string, by: string): () => number;
  /** Sets the target of new connections, after a restart of the server on another port. */
  aimAt(url: string): void;
  close(): Promise<void>;
}

function pass(
  from: Socket,
  to: Socket,
  open: (chunk: Buffer) => boolean,
  change = (chunk: Buffer) => chunk,
): void {
  from.on('data', (chunk) => {
    if (open(chunk)) to.write(change(chunk));
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}

interface Replacement {
  text: string;
  by: string;
  times: number;
}

function applyTo(chunk: Buffer, replacements: readonly Replacement[]): Buffer {
  for (const replacement of replacements) {
    const at = chunk.indexOf(replacement.text);
    if (at < 0) continue;
    replacement.times += 1;
    chunk.write(replacement.by, at);
  }
  return chunk;
}

/** Starts a proxy in front of a database, which a test can close, block or open. */
export async function startTcpProxy(serverUrl: string): Promise<TcpProxy> {
  let target = new URL(serverUrl);
  let mode: Mode = 'forward';
  let watched: { text: string; passes: () => boolean } | undefined;
  const replacements: Replacement[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (mode === 'refuse') return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    let silenced = false;
    const open = (chunk: Buffer) => {
      if (watched && chunk.includes(watched.text)) silenced ||= !watched.passes();
      return !silenced && (mode === 'forward' || mode === 'mute');
    };
    pass(client, upstream, open, (chunk) => applyTo(chunk, replacements));
    pass(upstream, client, () => mode === 'forward');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(serverUrl);
  url.port = String((server.address() as AddressInfo).port);
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.toString(),
    set(next) {
      mode = next;
      if (next === 'refuse') breakAll();
    },
    watchFor(text, passes) {
      watched = { text, passes };
    },
    replace(text, by) {
      if (by.length !== text.length) throw new Error('the replacement must have the same length');
      const replacement = { text, by, times: 0 };
      replacements.push(replacement);
      return () => replacement.times;
    },
    aimAt(to) {
      target = new URL(to);
    },
    async close() {
      server.close();
      breakAll();
      await once(server, 'close');
    },
  };
}

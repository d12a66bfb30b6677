import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { closeLater } from '../server/closing';

/**
 * A session of the database that is assigned to one client after another, for a transaction each.
 */
interface Upstream {
  socket: Socket;
  client: Socket | undefined;
}

const KEY_DATA = 'K'.charCodeAt(0);
const READY = 'Z'.charCodeAt(0);
const TERMINATE = 'X'.charCodeAt(0);
const IDLE = 'I'.charCodeAt(0);

/**
 * Calls `take` for each complete message of the protocol. Each begins with a letter, except the
 * first of a client.
 */
function eachMessage(socket: Socket, take: (message: Buffer) => void, lettered = () => true) {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const start = lettered() ? 1 : 0;
      if (rest.length < start + 4) return;
      const end = start + rest.readInt32BE(start);
      if (rest.length < end) return;
      const message = rest.subarray(0, end);
      rest = rest.subarray(end);
      take(message);
    }
  });
  socket.on('error', () => socket.destroy());
}

/**
 * Does what PgBouncer does with `pool_mode = transaction`. A client signs in through a session of
 * its own, which then joins the pool. Each transaction gets the session that has rested longest, so
 * that no state that a client leaves in a session stays its own.
 * @param size how many sessions are kept
 * @returns the given URL, through the pooler, which is closed after the file
 */
export async function startTransactionPooler(serverUrl: string, size = 10): Promise<string> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const pool: Upstream[] = [];
  const idle: Upstream[] = [];
  const waiting: { client: Socket; messages: Buffer[] }[] = [];

  function serve(): void {
    while (idle[0] && waiting[0]) {
      const [upstream] = idle.splice(0, 1) as [Upstream];
      const [{ client, messages }] = waiting.splice(0, 1) as [(typeof waiting)[number]];
      upstream.client = client;
      for (const message of messages) upstream.socket.write(message);
    }
  }

  function rest(upstream: Upstream): void {
    upstream.client = undefined;
    idle.push(upstream);
    serve();
  }

  function ask(client: Socket, message: Buffer): void {
    const upstream = pool.find((one) => one.client === client);
    if (upstream) return void upstream.socket.write(message);
    const queued = waiting.find((one) => one.client === client);
    if (queued) queued.messages.push(message);
    else waiting.push({ client, messages: [message] });
    serve();
  }

  /**
   * The client's process id must not be that of a session, because the client has no session of its
   * own.
   */
  function answer(upstream: Upstream, message: Buffer): void {
    if (message[0] === KEY_DATA) message.writeInt32BE(1, 5);
    upstream.client?.write(message);
    if (message[0] !== READY || message[5] !== IDLE) return;
    if (pool.includes(upstream)) return rest(upstream);
    upstream.client = undefined;
    if (pool.length >= size) return void upstream.socket.destroy();
    pool.push(upstream);
    rest(upstream);
  }

  function open(client: Socket): void {
    client.setNoDelay(true);
    const upstream: Upstream = { socket: connect(Number(target.port), target.hostname), client };
    upstream.socket.setNoDelay(true);
    sockets.add(upstream.socket).add(client);
    let isSignedIn = false;
    let isStarted = false;
    eachMessage(upstream.socket, (message) => {
      isSignedIn ||= message[0] === READY;
      answer(upstream, message);
    });
    upstream.socket.on('close', () => {
      for (const list of [pool, idle]) {
        if (list.includes(upstream)) list.splice(list.indexOf(upstream), 1);
      }
      upstream.client?.destroy();
    });
    eachMessage(
      client,
      (message) => {
        if (!isSignedIn) upstream.socket.write(message);
        else if (message[0] === TERMINATE) client.end();
        else ask(client, message);
        isStarted = true;
      },
      () => isStarted,
    );
    client.on('close', () => {
      const queued = waiting.findIndex((one) => one.client === client);
      if (queued >= 0) waiting.splice(queued, 1);
      // In the middle of a transaction, no other client can use it.
      pool.find((one) => one.client === client)?.socket.destroy();
      if (!isSignedIn) upstream.socket.destroy();
    });
  }

  const server = createServer(open);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  });
  const url = new URL(serverUrl);
  url.port = String((server.address() as AddressInfo).port);
  return url.toString();
}

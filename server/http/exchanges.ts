import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A request that the application is handling, and its unfinished answer. */
export interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
}

/** The open exchanges of each connection. */
export interface Exchanges {
  /** In the order of the requests, which is also the order of the answers. */
  of(socket: Socket): readonly Exchange[];
  /** The newest request of a connection, even if it was already answered. */
  latest(socket: Socket): Exchange | undefined;
  all(): Exchange[];
  /**
   * Connections without a request whose headers are complete: nothing, only line breaks, or a part
   * of the headers has arrived.
   */
  withoutRequest(): Socket[];
}

/** Tracks every connection of the server. Call it before the application listens for requests. */
export function followExchanges(server: Server): Exchanges {
  const open = new Map<Socket, Exchange[]>();
  const newest = new WeakMap<Socket, Exchange>();
  server.on('connection', (socket: Socket) => {
    open.set(socket, []);
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', (req, res) => {
    const list = open.get(req.socket);
    const exchange = { req, res };
    list?.push(exchange);
    newest.set(req.socket, exchange);
    res.once('close', () => list?.splice(list.indexOf(exchange), 1));
  });
  return {
    of: (socket) => [...(open.get(socket) ?? [])],
    latest: (socket) => newest.get(socket),
    all: () => [...open.values()].flat(),
    withoutRequest: () => [...open.keys()].filter((socket) => !newest.has(socket)),
  };
}

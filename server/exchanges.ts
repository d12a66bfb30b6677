import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A request that was handed to the application, and the answer that is not sent whole yet. */
export interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
}

/** What is under way on each open connection. */
export interface Exchanges {
  /** In the order in which the requests came, which is the order in which they are answered. */
  of(socket: Socket): readonly Exchange[];
  /** The newest request of a connection, also if it was answered. */
  latest(socket: Socket): Exchange | undefined;
  all(): Exchange[];
  /** Connections on which no request has come whole to its body yet: nothing may have come, or line breaks, or half a header. */
  withoutRequest(): Socket[];
}

/** Follows every connection of the server. To be called before the application listens for requests. */
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

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A connection to a server, byte for byte, and everything that the server sent on it. */
export interface RawConnection {
  socket: Socket;
  send(text: string | Buffer): void;
  said(): string;
  /** Resolves once the server has sent something that matches. Rejects if it disconnects first. */
  hears(what: RegExp): Promise<void>;
  /** Resolves once the server has disconnected. @returns everything that it sent */
  closed(): Promise<string>;
}

/** Opens a connection to a port of this machine. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (said += chunk));
  socket.on('error', () => undefined);
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  return {
    socket,
    send: (text) =>
      void socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text),
    said: () => said,
    async hears(what) {
      while (!what.test(said)) {
        if (socket.closed) throw new Error(`the server closed the connection after: ${said}`);
        await Promise.race([once(socket, 'data'), gone]);
      }
    },
    async closed() {
      if (!socket.closed) await gone;
      return said;
    },
  };
}

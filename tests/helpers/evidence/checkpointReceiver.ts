import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { webhookSink } from '@/server/config/webhookSettings';
import { closeLater } from '../server/closing';

/** One request, as received. */
export interface Received {
  id: number;
  note: string;
  headers: IncomingMessage['headers'];
}

/** The answer to a request; `hang` reads it and never answers. */
type Answer = { status: number; headers?: Record<string, string> } | 'hang' | 'hang up';

const ACCEPT: Answer = { status: 204 };

async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Starts a receiver of checkpoints on this machine. */
export async function startReceiver() {
  const accepted: Received[] = [];
  const refused: Received[] = [];
  let answer: (received: Received) => Answer | Promise<Answer> = () => ACCEPT;

  async function receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const note = await readBody(req);
    const id = Number(req.headers['gatehouse-checkpoint-id']);
    const received = { id, note, headers: req.headers };
    const given = await answer(received);
    const good = typeof given === 'object' && given.status < 300;
    (good ? accepted : refused).push(received);
    if (given === 'hang') return;
    if (given === 'hang up') return void req.socket.destroy();
    res.writeHead(given.status, given.headers).end(`${req.method} ${req.url}`);
  }

  const server = createServer((req, res) => void receive(req, res).catch(() => undefined));
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<unknown>((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  await listen(0);
  closeLater(stop);
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/heads`;
  return {
    url,
    accepted,
    refused,
    settings: (token?: string) => ({ file: undefined, webhook: webhookSink(url, token) }),
    /** Sets the answer to all later requests. */
    answer: (next: Answer | ((received: Received) => Answer | Promise<Answer>)) =>
      void (answer = typeof next === 'function' ? next : () => next),
    accept: () => void (answer = () => ACCEPT),
    /** Stops listening. */
    stop,
    /** Listens again on the same port. */
    again: () => listen(port),
  };
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

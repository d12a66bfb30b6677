import { request } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

/** What a stand-in of a gateway sends on. */
export interface Sent {
  method: string;
  path: string;
  headers: OutgoingHttpHeaders;
  body?: Buffer;
}

/** An answer that a stand-in got, with names in lower case. */
export interface Got {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Sends a request as it is, and reads the answer. */
export function sendOn(
  origin: string,
  { method, path, headers, body }: Sent,
  timeout = 5000,
): Promise<Got> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path, headers, timeout, agent: false };
    const sent = request(options, (res) => {
      buffer(res).then(
        (got) => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: got }),
        reject,
      );
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.end(body);
  });
}

const HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer'];

/** Returns the headers without those that are for one connection only. */
export const withoutHops = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP.includes(name)));

/** Passes a request on to the API, and its answer back. */
export async function passOn(
  req: IncomingMessage,
  res: ServerResponse,
  upstream: string,
  { path, headers }: Pick<Sent, 'path' | 'headers'>,
): Promise<void> {
  const body = await buffer(req);
  const single = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
  const got = await sendOn(upstream, { method: req.method ?? 'GET', path, headers: single, body });
  res.writeHead(got.status, withoutHops(got.headers)).end(got.body);
}

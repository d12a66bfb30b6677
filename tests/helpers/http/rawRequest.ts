import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Names in lower case. A header that came twice has both values. */
  headers: Map<string, string[]>;
  body: string;
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function parse(answer: string): RawAnswer {
  const end = answer.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = answer.slice(0, end).split('\r\n');
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body: answer.slice(end + 4) };
}

/**
 * Sends bytes that no client library would accept, and reads until the server disconnects.
 * @param lines the request line and headers, which may hold anything, without host and connection
 */
export function sendRaw(server: Server, lines: string[], body = ''): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(portOf(server), '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(parse(answer)));
    const head = [...lines, 'host: localhost', 'connection: close'].join('\r\n');
    socket.write(Buffer.from(`${head}\r\n\r\n${body}`, 'latin1'));
  });
}

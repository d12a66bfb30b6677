import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { promises } from 'node:dns';
import ipaddr from 'ipaddr.js';
import { closeLater } from '../server/closing';

/** The addresses of a name; an error code of DNS; or no answer at all. */
export type Answer = readonly string[] | number | 'silence';

/** RFC 1035 4.1.1. */
export const RCODE = { servFail: 2, nxDomain: 3 } as const;

/** A record for each address of the kind that was asked for: A (1) or AAAA (28). */
function writeRecords(type: number, addresses: readonly string[]): Buffer[] {
  const kind = type === 1 ? 4 : 16;
  const wanted = addresses.map((text) => Buffer.from(ipaddr.parse(text).toByteArray()));
  return wanted
    .filter(({ length }) => length === kind)
    .map((data) => {
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0);
      head.writeUInt16BE(type, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt16BE(data.length, 10);
      return Buffer.concat([head, data]);
    });
}

/**
 * Starts a DNS server on loopback.
 * @param answer the answer for a name, at each question
 * @returns its address, a resolver that asks it, and the names that were asked for
 */
export async function startAddressServer(answer: (name: string, type: 'A' | 'AAAA') => Answer) {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1);
    asked.push(name);
    const got = answer(name, type === 1 ? 'A' : 'AAAA');
    if (got === 'silence') return;
    const [code, addresses] = typeof got === 'number' ? [got, []] : [0, got];
    const records = writeRecords(type, addresses);
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closeLater(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  const server = `127.0.0.1:${socket.address().port}`;
  const resolver = new promises.Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([server]);
  return { server, resolver, asked };
}

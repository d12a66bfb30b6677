import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { closeLater } from '../server/closing';

/** TXT records, each with its parts; an error code of DNS; or no answer at all. */
export type Zone = readonly (readonly string[])[] | number | 'silence';

/** RFC 1035 4.1.1, and RFC 2136 2.2. */
export const RCODE = { formErr: 1, servFail: 2, nxDomain: 3, refused: 5 } as const;

const TXT = 16;

/** Reads the name of a question, and where it ends. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function writeRecord(parts: readonly string[]): Buffer {
  const data = Buffer.concat(
    parts.flatMap((part) => [Buffer.from([part.length]), Buffer.from(part, 'latin1')]),
  );
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TXT, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function writeAnswer(query: Buffer, end: number, zone: Exclude<Zone, 'silence'>): Buffer {
  const [code, records] = typeof zone === 'number' ? [zone, []] : [0, zone];
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...records.map(writeRecord)]);
}

/** A DNS server on loopback. A name that was not set does not exist. */
export interface DnsServer {
  /** For `DNS_SERVERS`. */
  address: string;
  set(name: string, zone: Zone): void;
  /** The names that were asked for, in order. */
  asked: string[];
  /** Keeps back the answer to the next question. It resolves at that question with a function that sends the answer. */
  hold(): Promise<() => void>;
}

export async function startDnsServer(): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const zones = new Map<string, Zone>();
  const asked: string[] = [];
  const events = new EventEmitter();
  let gate: Promise<unknown> = Promise.resolve();
  socket.on('message', (query, { port, address }) => {
    const { name, end } = readName(query);
    asked.push(name);
    const open = gate;
    gate = Promise.resolve();
    const zone = zones.get(name) ?? RCODE.nxDomain;
    events.emit('question');
    void open.then(() => {
      if (zone !== 'silence') socket.send(writeAnswer(query, end, zone), port, address);
    });
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closeLater(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    set: (name, zone) => void zones.set(name.toLowerCase(), zone),
    asked,
    async hold() {
      gate = once(events, 'release');
      await once(events, 'question');
      return () => void events.emit('release');
    },
  };
}

import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { ExportFormat } from './exportInput';

const LF = 0x0a;
const QUOTE = 0x22;
const CRLF = Buffer.from('\r\n');

/** A stream that passes records on and counts them. */
export interface RecordStream {
  readonly stream: Transform;
  /** How many rows have passed; a CSV header is none. */
  rows(): number;
}

/** Postgres sends 8 KiB at a time; compression, which answers per block, takes larger ones far faster. */
const BLOCK_BYTES = 262_144;

/** Gathers pieces into blocks of one size; only the last is shorter. */
function gatherBlocks(push: (block: Buffer) => void) {
  let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let used = 0;
  const emit = () => {
    if (used === 0) return;
    push(block.subarray(0, used));
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    used = 0;
  };
  return {
    add(piece: Buffer, from: number, to: number) {
      for (let at = from; at < to;) {
        const copied = piece.copy(block, used, at, to);
        at += copied;
        used += copied;
        if (used === BLOCK_BYTES) emit();
      }
    },
    emit,
  };
}

/**
 * Turns the LF that COPY ends a CSV record with into the CRLF of RFC 4180 2.1. A line break inside a
 * quoted cell is the cell's own and stays as it is.
 */
export function csvRecords(): RecordStream {
  let records = 0;
  let quoted = false;
  const blocks = gatherBlocks((block) => stream.push(block));
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let from = 0;
      // One pass over every byte of the export: a doubled quote closes and opens again, which is right.
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        if (byte === QUOTE) quoted = !quoted;
        else if (byte === LF && !quoted) {
          records += 1;
          blocks.add(chunk, from, at);
          blocks.add(CRLF, 0, CRLF.length);
          from = at + 1;
        }
      }
      blocks.add(chunk, from, chunk.length);
      done();
    },
    flush(done) {
      blocks.emit();
      done();
    },
  });
  return { stream, rows: () => Math.max(0, records - 1) };
}

/** Lines that need no change, each a row: JSON text holds no raw line break. */
export function lineStream(): RecordStream {
  let rows = 0;
  const blocks = gatherBlocks((block) => stream.push(block));
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) rows += 1;
      blocks.add(chunk, 0, chunk.length);
      done();
    },
    flush(done) {
      blocks.emit();
      done();
    },
  });
  return { stream, rows: () => rows };
}

/** What the output of COPY runs through to become records of a format. */
export const recordStream = (format: ExportFormat): RecordStream =>
  format === 'csv' ? csvRecords() : lineStream();

export interface ByteMeter {
  readonly stream: Transform;
  /** What has passed so far; to be asked once, when all of it has. */
  total(): { bytes: number; sha256: string };
}

/** Counts and hashes (SHA-256, hex) the bytes on their way. */
export function byteMeter(): ByteMeter {
  const hash = createHash('sha256');
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, total: () => ({ bytes, sha256: hash.digest('hex') }) };
}

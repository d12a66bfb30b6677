import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { ExportFormat } from './exportInput';

const LF = 0x0a;
const QUOTE = 0x22;
const CRLF = Buffer.from('\r\n');

/** A stream that passes records on and counts them. */
export interface RecordStream {
  readonly stream: Transform;
  /** Returns how many rows have passed, without a CSV header. */
  rows(): number;
}

/** Postgres sends 8 KiB at a time, but compression, which answers per block, handles larger blocks far faster. */
const BLOCK_BYTES = 262_144;

/** Gathers pieces into blocks of equal size; only the last one is shorter. */
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
 * Turns the LF with which COPY ends a CSV record into the CRLF of RFC 4180 2.1. A line break inside a quoted cell is
 * part of the cell and stays unchanged.
 */
export function csvRecords(): RecordStream {
  let records = 0;
  let quoted = false;
  const blocks = gatherBlocks((block) => stream.push(block));
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let from = 0;
      // One pass over every byte of the export. A doubled quote closes and opens again, which gives the right result.
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

/** Passes on lines that need no change, each a row: JSON text holds no raw line break. */
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

/** Returns the stream that turns the output of COPY into records of a format. */
export const recordStream = (format: ExportFormat): RecordStream =>
  format === 'csv' ? csvRecords() : lineStream();

export interface ByteMeter {
  readonly stream: Transform;
  /** Returns the totals. Call it once, after everything has passed. */
  total(): { bytes: number; sha256: string };
}

/** Counts and hashes (SHA-256, hex) the bytes that pass through it. */
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

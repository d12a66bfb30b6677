import { HASH_BYTES } from '../tlog/merkleTree';
import { FileMeter } from './fileMeter';
import type { FileFacts } from './fileMeter';
import { ZipDamage } from './zipFile';

/** The length of a line: a hash in base64 and a line break. */
export const LINE_BYTES = 45;
const LF = 0x0a;
const PADDING = 0x3d;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** The value of each base64 character; 64 for any other byte. */
const VALUES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = DIGITS.indexOf(String.fromCharCode(byte));
  return value < 0 ? 64 : value;
});

/** @returns the hash of a line, or undefined if the line is no hash in its only valid form */
function decodeLine(bytes: Buffer, at: number): Buffer | undefined {
  const hash = Buffer.allocUnsafe(HASH_BYTES + 1);
  let all = 0;
  for (let group = 0; group < 11; group += 1) {
    const from = at + group * 4;
    const [one, two, three] = [
      valueAt(bytes, from),
      valueAt(bytes, from + 1),
      valueAt(bytes, from + 2),
    ];
    const four = group === 10 ? 0 : valueAt(bytes, from + 3);
    all |= one | two | three | four;
    const bits = (one << 18) | (two << 12) | (three << 6) | four;
    hash[group * 3] = bits >> 16;
    hash[group * 3 + 1] = bits >> 8;
    hash[group * 3 + 2] = bits;
  }
  const isLine = all < 64 && bytes[at + 43] === PADDING && bytes[at + 44] === LF;
  return isLine && hash[HASH_BYTES] === 0 ? hash.subarray(0, HASH_BYTES) : undefined;
}

const valueAt = (bytes: Buffer, at: number): number => VALUES[bytes[at] ?? 0] ?? 64;

/** Reads leaves.txt line by line. */
export class LeafLines {
  private readonly meter = new FileMeter('leaves.txt');
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private ended = false;
  damage: ZipDamage | undefined;

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  /** Whether next() can be called without calling fill() first. */
  get isReady(): boolean {
    return this.ended || this.bytes.length - this.at >= LINE_BYTES;
  }

  /** @returns the next hash, or undefined if the next line is no hash or there is none */
  next(): Buffer | undefined {
    if (this.bytes.length - this.at < LINE_BYTES) return undefined;
    const hash = decodeLine(this.bytes, this.at);
    this.at += LINE_BYTES;
    return hash;
  }

  /** Reads the next piece of the file. A damaged file ends at the damage. */
  async fill(): Promise<void> {
    const step = await this.chunks.next().catch((error: unknown) => {
      if (!(error instanceof ZipDamage)) throw error;
      this.damage = error;
      return undefined;
    });
    if (step === undefined || step.done === true) {
      this.ended = true;
      return;
    }
    this.meter.add(step.value);
    const rest = this.bytes.subarray(this.at);
    this.bytes = rest.length === 0 ? step.value : Buffer.concat([rest, step.value]);
    this.at = 0;
  }

  /** Reads the rest of the file. @returns its measured facts, or undefined if it is damaged */
  async finish(): Promise<FileFacts | undefined> {
    while (!this.ended) {
      this.at = this.bytes.length;
      await this.fill();
    }
    return this.damage ? undefined : this.meter.facts();
  }
}

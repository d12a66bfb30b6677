import { Transform } from 'node:stream';
import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

/** How often to look whether the reader has taken what was handed over, in milliseconds. */
const LOOK_EVERY_MS = 5;

/**
 * Passes everything on but the last piece, which waits until `seal` has recorded that the export is
 * complete. So the event is there before the reader sees the end, and where it cannot be written, what the
 * reader has is no whole file.
 * @param output where this stream leads: the end is held until it has taken all the rest
 * @param seal told the size of the whole in bytes; where it throws, the stream fails
 */
export function holdBackEnd(output: Writable, seal: (bytes: number) => Promise<void>): Transform {
  let held: Buffer | undefined;
  let bytes = 0;

  async function sealWhenTaken(): Promise<void> {
    while (stream.readableLength > 0 || output.writableLength > 0) {
      // The pipeline tells of a reader who left; this only must not wait for one.
      if (output.destroyed) return;
      await pause(LOOK_EVERY_MS);
    }
    await seal(bytes);
  }

  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (held) this.push(held);
      held = chunk;
      done();
    },
    flush(done) {
      sealWhenTaken().then(
        () => done(null, held),
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
      );
    },
  });
  return stream;
}

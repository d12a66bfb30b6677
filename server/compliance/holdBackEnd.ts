import { Transform } from 'node:stream';
import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

/** How often to check whether the reader has taken the data, in milliseconds. */
const LOOK_EVERY_MS = 5;

/**
 * Passes everything on except the last piece, which waits until `seal` has recorded that the export is complete. The
 * event therefore exists before the reader sees the end, and if it cannot be written, the reader never has a whole
 * file.
 * @param output the destination of this stream: the last piece is held until the output has taken all the rest
 * @param seal receives the total size in bytes; if it throws, the stream fails
 */
export function holdBackEnd(output: Writable, seal: (bytes: number) => Promise<void>): Transform {
  let held: Buffer | undefined;
  let bytes = 0;

  async function sealWhenTaken(): Promise<void> {
    while (stream.readableLength > 0 || output.writableLength > 0) {
      // The pipeline reports a reader who left; this loop only must not wait for one.
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

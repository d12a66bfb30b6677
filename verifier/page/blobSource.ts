import type { BundleSource } from '../bundleSource';

/** The longest time in milliseconds for which the page may not react. */
const LONGEST_TURN_MS = 40;

const toBuffer = ({ buffer, byteOffset, length }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, length);

let turn = performance.now();

/** Lets the browser draw the page and handle clicks. */
async function giveWay(): Promise<void> {
  if (performance.now() - turn < LONGEST_TURN_MS) return;
  await new Promise((resolve) => setTimeout(resolve));
  turn = performance.now();
}

async function* readAll(stream: ReadableStream<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield toBuffer(value);
      await giveWay();
    }
  } finally {
    // Stops the unpacking of data that nobody reads any more. The reason of a failure has already
    // been reported.
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * Wraps a file that the user has chosen. Only the pieces in use are in memory, and none leaves the
 * page.
 */
export function toSource(name: string, blob: Blob): BundleSource {
  const slice = (at: number, length: number) => blob.slice(at, at + length);
  return {
    name,
    size: blob.size,
    read: async (at, length) => {
      const bytes = new Uint8Array(await slice(at, length).arrayBuffer());
      if (bytes.length < length) throw new Error('it became shorter while it was read');
      return toBuffer(bytes);
    },
    stream: (at, length) => readAll(slice(at, length).stream()),
    inflate: (at, length) =>
      readAll(slice(at, length).stream().pipeThrough(new DecompressionStream('deflate-raw'))),
  };
}

/**
 * Reads a body until it ends, and ends it when the signal is aborted. The signal of `fetch` does not
 * suffice: once the headers have arrived, Node forgets it at the next garbage collection.
 * @throws the reason of the signal
 */
export async function* readBody(res: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = (res.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (!reader) return;
  const end = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', end);
  try {
    signal.throwIfAborted();
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

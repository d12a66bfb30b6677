import type { ChangeMessage, NamedChange } from '@/server/accessChanges/changeFeed';
import { closeLater } from '../server/closing';

/** A stream of access changes, as a guard reads it. */
export interface ChangeStream {
  status: number;
  headers: Headers;
  /** All messages so far. */
  messages: ChangeMessage[];
  /** All changes so far. */
  changes(): NamedChange[];
  /** Waits for a message, among those so far and the coming ones. */
  until(what: (message: ChangeMessage) => boolean): Promise<ChangeMessage>;
  /** Waits until a change of a session has come. */
  untilSession(sessionId: string): Promise<ChangeMessage>;
  /** Waits for a message that vouches for the time of the call. */
  untilCovered(): Promise<ChangeMessage>;
  ended: Promise<void>;
  close(): void;
}

/** Opens a stream and reads it until it ends. */
export async function openChangeStream(
  url: string,
  key: string,
  query = '',
): Promise<ChangeStream> {
  const stop = new AbortController();
  const openedAt = performance.now();
  const res = await fetch(`${url}/api/access-changes/stream${query}`, {
    headers: { authorization: `Bearer ${key}` },
    signal: stop.signal,
  });
  const messages: ChangeMessage[] = [];
  let wake: (() => void)[] = [];
  let over = false;
  const tell = () => {
    for (const each of wake.splice(0)) each();
  };
  async function read(): Promise<void> {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of res.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = event.split('\n').find((line) => line.startsWith('data: '));
        if (data) messages.push(JSON.parse(data.slice(6)) as ChangeMessage);
      }
      tell();
    }
  }
  const ended = read()
    .catch(() => undefined)
    .then(() => {
      over = true;
      tell();
    });
  async function until(what: (message: ChangeMessage) => boolean): Promise<ChangeMessage> {
    for (let seen = 0; ;) {
      for (; seen < messages.length; seen += 1) {
        const message = messages[seen];
        if (message && what(message)) return message;
      }
      if (over) throw new Error(`the stream ended after ${JSON.stringify(messages.at(-1))}`);
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  }
  const close = () => stop.abort();
  closeLater(() => {
    close();
    wake = [];
    return ended;
  });
  return {
    status: res.status,
    headers: res.headers,
    messages,
    changes: () => messages.flatMap(({ changes }) => changes),
    until,
    untilSession: (sessionId) =>
      until(({ changes }) =>
        changes.some((change) => change.kind === 'session' && change.sessionId === sessionId),
      ),
    untilCovered() {
      const since = performance.now() - openedAt;
      return until(({ elapsedMs }) => elapsedMs !== null && elapsedMs >= since);
    },
    ended,
    close,
  };
}

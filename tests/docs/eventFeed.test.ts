import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { closeLater } from '@/tests/helpers/server/closing';

const paper = readFileSync(join(__dirname, '../../docs/event-feed.md'), 'utf8');
const example = /```js\n([^]*?)```/.exec(paper)?.[1] ?? '';

/** Runs the example receiver of the documentation, on a free port. */
async function startExample(keep: (log: string, lines: string[]) => void): Promise<string> {
  const made: ReturnType<typeof createServer>[] = [];
  const http = {
    createServer: (handle: RequestListener) => {
      const server = createServer(handle);
      made.push(server);
      return server;
    },
  };
  runInNewContext(example.replace('8088', "0, '127.0.0.1'"), {
    require: () => http,
    process: { env: { TOKEN: 't' } },
    keep,
  });
  const [server] = made;
  if (!server) throw new Error('the example makes no server');
  closeLater(() => new Promise((resolve) => server.close(resolve)));
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('the receiver in docs/event-feed.md keeps each event once, and refuses a gap and strangers', async () => {
  const kept: string[] = [];
  const url = await startExample(
    (log, lines) => void kept.push(...lines.map((line) => `${log} ${line}`)),
  );
  const post = async (first: number, lines: string[], token = 't') => {
    const headers = {
      authorization: `Bearer ${token}`,
      'gatehouse-log': 'a',
      'gatehouse-first-leaf': String(first),
      connection: 'close',
    };
    return (await fetch(url, { method: 'POST', headers, body: `${lines.join('\n')}\n` })).status;
  };
  expect(await post(3, ['3', '4'], 'wrong')).toBe(403);
  expect(await post(3, ['3', '4'])).toBe(204);
  expect(await post(3, ['3', '4'])).toBe(204);
  expect(await post(4, ['4', '5', '6'])).toBe(204);
  expect(await post(8, ['8'])).toBe(409);
  expect(await post(7, ['7'])).toBe(204);
  expect(kept).toStrictEqual(['a 3', 'a 4', 'a 5', 'a 6', 'a 7']);
});

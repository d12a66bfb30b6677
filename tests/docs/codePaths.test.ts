import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recordAudit } from '@/server/audit';
import { fileSink } from '@/server/config/checkpointSettings';
import { systemContext } from '@/server/context';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { untilDelivered } from '@/tests/helpers/evidence/checkpoints';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { feedRow, untilFed } from '@/tests/helpers/evidence/openFeed';
import { login, refresh } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { quotas } from '@/tests/helpers/server/limitedNode';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const root = join(__dirname, '..', '..');
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const [, chapter = ''] = /^## Four paths through the code$([^]*?)^## /m.exec(page) ?? [];

/** The text of a path on the page. */
const sectionOf = (title: string) => {
  const [, text = ''] = chapter.split(`\n### ${title}\n`);
  const [, diagram = ''] = /```mermaid\n([^]*?)```/.exec(text) ?? [];
  return {
    count: Number(/(\d+) files of `server\/`/.exec(text)?.[1]),
    named: [...diagram.matchAll(/[\w/]+\.ts\b/g)].map(String),
  };
};

/** Tables and signals: a change adds a file to these folders without touching a path. */
const LISTED = /^server\/(db\/schema|security\/risk\/signals)\//;

/** A re-export is a getter in a compiled module. */
const isReExport = (name: string) => /^get( |$)/.test(name);

/** @returns the files of which at least one function ran during the work, without tables, signals and re-exports */
async function filesEntered(work: () => Promise<unknown>): Promise<string[]> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  await session.post('Profiler.takePreciseCoverage');
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  const ran = ({ functionName, ranges }: (typeof result)[0]['functions'][0]) =>
    !isReExport(functionName) && ranges.some(({ count }) => count > 0);
  const entered = result
    .filter(({ url, functions }) => url.startsWith('file:') && functions.some(ran))
    .map(({ url }) => relative(root, fileURLToPath(url)))
    .filter((file) => /^(server|tlog)\//.test(file) && !LISTED.test(file));
  return [...new Set(entered)].sort();
}

/** With rate limits, as in production. */
const { app, deps: served } = buildApp(quotas({ address: 300, account: 600, tenant: 6000 }));

/** The rows that explain a decision are written a moment after the answer. */
const decisionsWritten = () => served.riskDecisions.flush();

async function runLogin(): Promise<string[]> {
  const { email, password } = await seedTestUserAndToken();
  return filesEntered(async () => {
    expect((await login(app, { email, password })).status).toBe(200);
    await decisionsWritten();
  });
}

async function runRefresh(): Promise<string[]> {
  const { refreshToken } = await seedTestUserAndToken();
  return filesEntered(async () => {
    expect((await refresh(app, refreshToken)).status).toBe(200);
    await decisionsWritten();
  });
}

async function runExport(): Promise<string[]> {
  const person = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
  const today = utcToday();
  return filesEntered(() =>
    downloadEvidence(app, person, { from: today, to: today, format: 'csv' }),
  );
}

async function runEvent(): Promise<string[]> {
  const [heads, events] = [await startReceiver(), await startReceiver()];
  const { webhook } = heads.settings();
  const file = fileSink(join(tmpdir(), `code-paths-${randomUUID()}`));
  const eventFeed = { ...events.settings().webhook, format: 'ocsf', start: 'now' } as const;
  const { deps } = buildApp({ checkpoints: { file, webhook }, eventFeed });
  return filesEntered(async () => {
    deps.deliverer.start();
    deps.eventFeed.start();
    await pollUntil('the feed has begun', () => feedRow(eventFeed.sink), Boolean);
    await deps.db.transaction((tx) =>
      recordAudit(tx, systemContext(deps.random.id()), {
        action: 'AUTH_TOKEN_REFRESH',
        outcome: 'success',
        details: {},
      }),
    );
    await deps.sealer.sealNow();
    await untilFed(eventFeed.sink);
    await Promise.all([file.sink, webhook.sink].map((sink) => untilDelivered(sink)));
  });
}

describe('docs/architecture.md, on the paths through the code', () => {
  // The first request of a process also finds out how the database is reached, and each path is measured after it.
  beforeAll(async () => {
    await runLogin();
    await runExport();
  });

  it.each([
    ['A login', runLogin],
    ['A refresh', runRefresh],
    ['An export', runExport],
    ['An audit event', runEvent],
  ])(
    '%s runs the files that its diagram names, and as many as the page says',
    async (title, run) => {
      const { count, named } = sectionOf(title);
      expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
      expect(named.length).toBeGreaterThan(8);
      const runOnce = () => {
        // A busy node reads the IP rules in some requests only. Here each path reads them.
        served.ipRules.forget();
        return run();
      };
      // What runs in only one of two runs is a retry, or work that goes on beside.
      const again = await runOnce();
      const entered = (await runOnce()).filter((file) => again.includes(file));
      const crossed = entered.filter((file) => file.startsWith('server/'));
      expect(named.filter((file) => !entered.includes(file))).toEqual([]);
      expect({ crossed: crossed.length }).toEqual({ crossed: count });
    },
  );
});

import { randomUUID } from 'node:crypto';
import { createChangeReader } from '@/server/accessChanges/changeReader';
import type { Turn } from '@/server/accessChanges/changeReader';
import { readChanges } from '@/server/accessChanges/changeStore';
import { connect } from '@/server/db';
import { ask } from '@/tests/helpers/database/askDatabase';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const databaseUrl = process.env['DATABASE_URL'] ?? '';

it('a network that swallows everything stops what the reader vouches for, and it goes on by itself afterwards', async () => {
  const proxy = await startTcpProxy(databaseUrl);
  closeLater(() => proxy.close());
  const database = connect({
    ...{ url: proxy.url, poolSize: 1, statementTimeoutMs: 100 },
    reserved: true,
  });
  closeLater(() => database.close());
  const reader = createChangeReader({
    read: (asked) => readChanges(database.pool, asked),
    ...{ onTurn: () => undefined, onFailure: () => undefined, everyMs: 25, afterFailureMs: 25 },
  });
  closeLater(() => reader.close());
  const turns: Turn[] = [];
  reader.listen((turn) => turns.push(turn));
  const until = (what: string, fits: (turn: Turn) => boolean) =>
    pollUntil(
      what,
      () => Promise.resolve(turns.findIndex(fits)),
      (place) => place >= 0,
    );
  await until('the first turn is over', ({ beganAt }) => beganAt !== undefined);
  proxy.set('hang');
  const silentSince = performance.now();
  const subjectId = randomUUID();
  await ask(databaseUrl, `INSERT INTO access_changes (kind, subject_id) VALUES ('session', $1)`, [
    subjectId,
  ]);
  const failed = await until('a turn has failed', ({ beganAt }) => beganAt === undefined);
  expect(turns.filter(({ beganAt }) => beganAt !== undefined && beganAt > silentSince)).toEqual([]);
  proxy.set('forward');
  const told = await until('the change is read', ({ changes }) =>
    changes.some((change) => change.subjectId === subjectId),
  );
  // Nothing that vouches came before the change.
  expect(turns.findIndex(({ beganAt }, place) => place > failed && beganAt !== undefined)).toBe(
    told,
  );
});

import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { purgeChanges } from '@/server/accessChanges';
import type { ChangeMessage } from '@/server/accessChanges/changeFeed';
import { openChangeStream } from '@/tests/helpers/http/changeStream';
import { listen } from '@/tests/helpers/http/listen';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const { app, deps } = buildApp();
let url: string;
let otherUrl: string;
let key: string;
beforeAll(async () => {
  url = await listen(app);
  otherUrl = await listen(buildApp().app);
  key = await makeServiceKey(deps, ['introspect']);
});

const sql = (text: string, ...values: unknown[]) => ask(databaseUrl, text, values);
const END = 'UPDATE user_sessions SET revoked_at = now() WHERE id = $1';
const poll = async (query = '') =>
  (await withKey(app, key).get(`/api/access-changes${query}`).expect(200)).body as ChangeMessage;

describe('a change of access', () => {
  /** Each is one statement by hand, and the change that it has to cause. */
  const CASES: [
    string,
    string,
    (who: Awaited<ReturnType<typeof seedTestUserAndToken>>) => object,
  ][] = [
    ['a session that is ended', END.replace('$1', ':sessionId'), session],
    ['a session that is deleted', 'DELETE FROM user_sessions WHERE id = :sessionId', session],
    [
      'a session that is shortened',
      "UPDATE user_sessions SET expires_at = now() + interval '1 hour' WHERE id = :sessionId",
      session,
    ],
    [
      'a member who is disabled',
      "UPDATE tenant_staff SET status = 'disabled' WHERE id = :staffId",
      staff,
    ],
    [
      'a member whose permissions change',
      "UPDATE tenant_staff SET permissions = '{app:x}' WHERE id = :staffId",
      staff,
    ],
    [
      'a member whose sessions are ended by version',
      'UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = :staffId',
      staff,
    ],
    [
      'a person who is disabled',
      "UPDATE users SET status = 'disabled' WHERE id = :userId",
      ({ userId }) => ({ kind: 'user', userId }),
    ],
    [
      'a tenant that is suspended',
      "UPDATE tenants SET status = 'suspended' WHERE id = :tenantId",
      ({ tenantId }) => ({ kind: 'tenant', tenantId }),
    ],
  ];
  function session({ tenantId, sessionId }: { tenantId: string; sessionId: string }) {
    return { kind: 'session', tenantId, sessionId };
  }
  function staff({ tenantId, userId, staffId }: Record<'tenantId' | 'userId' | 'staffId', string>) {
    return { kind: 'staff', tenantId, userId, staffId };
  }

  it('is delivered to a stream on every node, also if SQL by hand has made it', async () => {
    const streams = await Promise.all([url, otherUrl].map((each) => openChangeStream(each, key)));
    for (const [, text, expected] of CASES) {
      const who = await seedTestUserAndToken();
      if (text.startsWith('DELETE'))
        await sql('DELETE FROM refresh_tokens WHERE session_id = $1', who.sessionId);
      await ask(
        databaseUrl,
        text.replace(/:(\w+Id)/, (_all, name: keyof typeof who) => `'${who[name]}'`),
      );
      for (const stream of streams) {
        await stream.untilCovered();
        expect(stream.changes()).toContainEqual(expected(who));
      }
    }
  });

  it('of a proof or of a program’s key is delivered', async () => {
    const stream = await openChangeStream(url, key);
    const { tenantId, userId, staffId, sessionId } = await seedTestUserAndToken();
    const challenge = randomUUID();
    await sql(
      `INSERT INTO step_up_challenges (id, tenant_id, user_id, staff_id, session_id, origin, purpose, expires_at)
       VALUES ($1, $2, $3, $4, $5, 'session', 'data_export', now() + interval '5 minutes')`,
      ...[challenge, tenantId, userId, staffId, sessionId],
    );
    await sql('UPDATE step_up_challenges SET verified_at = now() WHERE id = $1', challenge);
    await stream.untilSession(sessionId);
    const apiKeyId = randomUUID();
    await sql(
      `INSERT INTO api_keys (id, tenant_id, staff_id, user_id, name, secret_hash, key_id, expires_at)
       VALUES ($1::uuid, $2, $3, $4, 'k', uuid_send($1::uuid), 'x', now() + interval '1 day')`,
      ...[apiKeyId, tenantId, staffId, userId],
    );
    await sql('UPDATE api_keys SET revoked_at = now() WHERE id = $1', apiKeyId);
    await stream.untilCovered();
    expect(stream.changes()).toContainEqual({ kind: 'api_key', tenantId, apiKeyId });
  });

  it('is not reported for a rolled-back statement, a touched session, or a session that had ended before', async () => {
    const { tenantId, userId, sessionId } = await seedTestUserAndToken();
    const { cursor } = await poll();
    // The cursor stays below what is open anywhere on the server. So while another database has an
    // open transaction, changes of earlier tests come again.
    const reported = async () =>
      (await poll(`?cursor=${cursor}`)).changes.filter((change) =>
        [tenantId, userId].some((id) => JSON.stringify(change).includes(id)),
      );
    await withConnection(databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(END, [sessionId]);
      await client.query('ROLLBACK');
    });
    await sql(
      "UPDATE user_sessions SET last_seen_at = now(), country = 'FR' WHERE id = $1",
      sessionId,
    );
    expect(await reported()).toEqual([]);
    await sql(END, sessionId);
    const ended = await reported();
    expect(ended).toHaveLength(1);
    await sql('DELETE FROM refresh_tokens WHERE session_id = $1', sessionId);
    await sql('DELETE FROM user_sessions WHERE id = $1', sessionId);
    expect(await reported()).toEqual(ended);
  });

  it('is delivered when its transaction commits, also if others began later and committed first', async () => {
    const [late, early] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const stream = await openChangeStream(url, key);
    await withConnection(databaseUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(END, [late.sessionId]);
      await sql(END, early.sessionId);
      const seen = await stream.untilSession(early.sessionId);
      const between = await stream.untilCovered();
      expect(JSON.stringify(stream.changes())).not.toContain(late.sessionId);
      await client.query('COMMIT');
      await stream.untilSession(late.sessionId);
      // A guard that was cut off in between still gets it: the cursor stays below what is open.
      for (const { cursor } of [seen, between]) {
        expect(JSON.stringify(await poll(`?cursor=${cursor}`))).toContain(late.sessionId);
      }
    });
    await stream.untilCovered();
    const all = stream.changes().map((change) => JSON.stringify(change));
    expect(all.filter((text) => text.includes(late.sessionId))).toHaveLength(1);
    expect(all.filter((text) => text.includes(early.sessionId))).toHaveLength(1);
  });

  it('is lost by nobody while many transactions commit in random order and a stream is cut again and again', async () => {
    const people = await Promise.all(Array.from({ length: 60 }, () => seedTestUserAndToken()));
    const steady = await openChangeStream(url, key);
    const got = new Set<string>();
    const note = (messages: readonly ChangeMessage[]) => {
      for (const { changes } of messages)
        for (const change of changes) if (change.kind === 'session') got.add(change.sessionId);
    };
    let cursor = (await poll()).cursor;
    const work = Array.from({ length: 12 }, (_none, worker) =>
      withConnection(databaseUrl, async (client) => {
        for (const { sessionId } of people.slice(worker * 5, worker * 5 + 5)) {
          await client.query('BEGIN');
          await client.query(END, [sessionId]);
          await client.query('SELECT pg_sleep(random() * 0.02)');
          await client.query('COMMIT');
        }
      }),
    );
    const load = { working: true };
    const cutting = (async () => {
      for (let node = 0; load.working; node += 1) {
        const cut = await openChangeStream(node % 2 ? url : otherUrl, key, `?cursor=${cursor}`);
        await cut.until(() => cut.messages.length > 1);
        cut.close();
        await cut.ended;
        note(cut.messages);
        cursor = cut.messages.at(-1)?.cursor ?? cursor;
      }
    })();
    await Promise.all(work);
    load.working = false;
    await cutting;
    note([await poll(`?cursor=${cursor}`)]);
    await steady.untilCovered();
    const ended = people.map(({ sessionId }) => sessionId).sort();
    expect(ended.filter((id) => !got.has(id))).toEqual([]);
    const steadily = steady.changes().map((change) => 'sessionId' in change && change.sessionId);
    expect(ended.filter((id) => !steadily.includes(id))).toEqual([]);
    expect(steady.messages.filter(({ reset }) => reset)).toHaveLength(1);
  });
});

describe('a message', () => {
  it('tells a guard to forget everything if its cursor is missing, unreadable or of another database', async () => {
    const { cursor } = await poll();
    const [epoch = '', xmin = ''] = cursor.split('.');
    expect((await poll()).reset).toBe('started');
    expect((await poll('?cursor=nonsense')).reset).toBe('started');
    expect((await poll(`?cursor=${'a'.repeat(16)}.${xmin}`)).reset).toBe('new_epoch');
    expect((await poll(`?cursor=${epoch}.${BigInt(xmin) + 1_000_000n}`)).reset).toBe('new_epoch');
    expect((await poll(`?cursor=${cursor}`)).reset).toBeUndefined();
  });

  it.each([
    ['is disabled', 'DISABLE'],
    ['would be skipped by replication, as after pg_restore --disable-triggers', 'ENABLE'],
  ])(
    'vouches for nothing while a trigger %s, and vouches again afterwards',
    async (_how, state) => {
      const stream = await openChangeStream(url, key);
      await stream.untilCovered();
      await sql(`ALTER TABLE users ${state} TRIGGER users_access_changed`);
      await stream.until(({ elapsedMs }) => elapsedMs === null);
      expect((await poll()).elapsedMs).toBeNull();
      await sql('ALTER TABLE users ENABLE ALWAYS TRIGGER users_access_changed');
      await stream.untilCovered();
    },
  );

  it('says that everything may have changed after TRUNCATE', async () => {
    const stream = await openChangeStream(url, key);
    await sql('TRUNCATE step_up_challenges');
    await stream.until(({ reset }) => reset === 'everything');
  });

  it('of a poll comes as soon as something changes', async () => {
    const { sessionId, tenantId } = await seedTestUserAndToken();
    let { cursor } = await poll();
    // While a transaction is open anywhere on the server, changes of earlier tests come again.
    const untilNamed = async () => {
      for (;;) {
        const message = await poll(`?cursor=${cursor}&waitMs=20000`);
        const own = message.changes.filter((change) => JSON.stringify(change).includes(sessionId));
        if (own.length > 0) return own;
        cursor = message.cursor;
      }
    };
    const waiting = untilNamed();
    await sql(END, sessionId);
    expect(await waiting).toEqual([{ kind: 'session', tenantId, sessionId }]);
  });
});

describe('the table of changes', () => {
  it('keeps a change until the second purge after its commit, and an older cursor is told so', async () => {
    const { sessionId } = await seedTestUserAndToken();
    const { cursor } = await poll();
    await sql(END, sessionId);
    const purgeDue = async () => {
      await sql("UPDATE access_change_purges SET noted_at = now() - interval '31 minutes'");
      await purgeChanges(deps.db);
    };
    await purgeDue();
    expect(JSON.stringify(await poll(`?cursor=${cursor}`))).toContain(sessionId);
    // A transaction of another database of this server can hold the horizon back for a moment.
    const rows = () => sql('SELECT 1 FROM access_changes WHERE subject_id = $1', sessionId);
    await pollUntil(
      'the change is purged',
      () => purgeDue().then(rows),
      (found) => found.length === 0,
    );
    const late = await poll(`?cursor=${cursor}`);
    expect(late).toMatchObject({ reset: 'cursor_too_old', changes: [] });
    await purgeChanges(deps.db);
    expect((await poll(`?cursor=${late.cursor}`)).reset).toBeUndefined();
  });

  it('can be missing: sessions still end, and nobody vouches', async () => {
    const { sessionId } = await seedTestUserAndToken();
    const stream = await openChangeStream(url, key);
    await sql('ALTER TABLE access_changes RENAME TO hidden');
    try {
      await sql(END, sessionId);
      await stream.until(({ elapsedMs }) => elapsedMs === null);
      const res = await withKey(app, key).get('/api/access-changes');
      expect([res.status, (res.body as { error: string }).error]).toEqual([
        503,
        'SCHEMA_UNAVAILABLE',
      ]);
    } finally {
      await sql('ALTER TABLE hidden RENAME TO access_changes');
    }
    await stream.untilCovered();
  });
});

describe('who may read the changes', () => {
  it('is a service key with the scope introspect alone', async () => {
    const { token } = await seedTestUserAndToken();
    const other = await makeServiceKey(deps, ['events:write']);
    for (const [credential, status] of [
      [token, 401],
      [other, 403],
    ] as const) {
      for (const path of ['/api/access-changes', '/api/access-changes/stream']) {
        const res = await request(app).get(path).set('authorization', `Bearer ${credential}`);
        expect(res.status).toBe(status);
      }
    }
  });

  it('loses the open stream as soon as the key is revoked', async () => {
    const mine = await makeServiceKey(deps, ['introspect']);
    const stream = await openChangeStream(url, mine);
    await stream.untilCovered();
    const { body } = await withKey(app, mine).get('/api/service/self');
    await sql(
      'UPDATE service_keys SET revoked_at = now() WHERE id = $1',
      (body as { id: string }).id,
    );
    await stream.ended;
    expect((await openChangeStream(url, mine)).status).toBe(401);
  });

  it('has at most a hundred streams of one key on a node', async () => {
    const mine = await makeServiceKey(deps, ['introspect']);
    const all = await Promise.all(Array.from({ length: 101 }, () => openChangeStream(url, mine)));
    expect(
      all
        .map(({ status }) => status)
        .sort()
        .slice(-2),
    ).toEqual([200, 409]);
    for (const stream of all) stream.close();
    await Promise.all(all.map(({ ended }) => ended));
  });
});

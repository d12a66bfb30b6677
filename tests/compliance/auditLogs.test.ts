import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { AUDIT_ACTIONS } from '@/server/audit';
import { listEvents } from '@/server/audit/auditLogStore';
import { ALL_ACTIONS } from '@/server/compliance/listAuditLogs';
import { uuidV7 } from '@/server/db/ids';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { LOGS, readAll, readPage, writeEvents } from '@/tests/helpers/evidence/auditReads';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { MAY_ALL, as, seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const DAY = 86_400_000;
const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id);
const uuid = () => uuidV7(Date.now(), Buffer.from(randomUUID().replaceAll('-', ''), 'hex'));

describe('an event', () => {
  it('is shown with all its fields, without a place at first, and with one when it is sealed', async () => {
    const officer = await seedOfficer();
    const login = await request(app)
      .post('/api/auth/login')
      .set({ 'x-correlation-id': 'shown', 'user-agent': 'A browser' })
      .send({ email: officer.email, password: officer.password });
    const [event] = (await readPage(app, officer)).events;
    const expected = {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      tenantId: officer.tenantId,
      occurredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      action: 'AUTH_LOGIN_SUCCEEDED',
      outcome: 'success',
      actor: officer.staffId,
      subject: `session:${login.body.sessionId}`,
      onBehalfOf: null,
      sessionId: login.body.sessionId,
      ip: '127.0.0.1',
      country: null,
      userAgent: 'A browser',
      correlationId: 'shown',
      details: {
        score: 0,
        reasons: [],
        rememberMe: false,
        stepUp: false,
        correlationIdFrom: 'client',
      },
      leafIndex: null,
      sealedAt: null,
    };
    expect(event).toStrictEqual(expected);
    const one = await as(app, officer).get(`${LOGS}/${event?.id}`);
    expect(one.body).toStrictEqual(event);
    await deps.sealer.sealNow();
    const sealed = { ...event, leafIndex: 0, sealedAt: expect.stringMatching(/Z$/) };
    expect((await readPage(app, officer)).events).toStrictEqual([sealed]);
    expect((await as(app, officer).get(`${LOGS}/${event?.id}`)).body).toStrictEqual(sealed);
  });

  it("is nobody's where it is another tenant's, of no tenant, unknown or no id at all: 404, all alike", async () => {
    const officer = await seedOfficer();
    const other = await seedOfficer();
    const [theirs] = await writeEvents(other.tenantId, [{}]);
    const [nobodys] = await writeEvents(other.tenantId, [{ tenantId: null }]);
    await deps.sealer.sealNow();
    for (const id of [theirs, nobodys, uuid(), 'x', '%00', `${theirs}%20`]) {
      for (const path of [`${LOGS}/${id}`, `${LOGS}/${id}/proof`]) {
        const res = await as(app, officer).get(path);
        expectRefusal(res, [404]);
        expect(res.body.error).toBe('NOT_FOUND');
      }
    }
    expect((await as(app, other).get(`${LOGS}/${theirs}`)).status).toBe(200);
  });
});

describe('who may not read', () => {
  it.each(['', '/x', '/x/proof'])(
    'is refused at %s before anything is looked for',
    async (tail) => {
      const member = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_EDIT'] });
      const refused = await as(app, member).get(`${LOGS}${tail}`);
      expectRefusal(refused, [403]);
      expectRefusal(await request(app).get(`${LOGS}${tail}`), [401]);
    },
  );

  it('needs no second proof: reading what happened is what the permission is for', async () => {
    const officer = await seedOfficer();
    const res = await request(app).get(LOGS).set('authorization', `Bearer ${officer.token}`);
    expect(res.status).toBe(200);
    expect(res.body).toStrictEqual({ events: [], nextCursor: null });
  });
});

describe('pages', () => {
  it('come newest first, and hold each event once while others are being written', async () => {
    const officer = await seedOfficer();
    const times = Array.from({ length: 25 }, (_, n) => new Date(Date.now() - 1000 * (n >> 1)));
    const written = await writeEvents(
      officer.tenantId,
      times.map((occurredAt) => ({ occurredAt })),
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const from: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = await readPage(app, officer, `limit=4${from}`);
      seen.push(...ids(page.events));
      cursor = page.nextCursor;
      await writeEvents(officer.tenantId, [{ action: 'FACTOR_REMOVED' }]);
    } while (cursor !== null);
    const old = seen.filter((id) => written.includes(id));
    expect(old.length).toBe(new Set(old).size);
    expect([...old].sort()).toEqual([...written].sort());
    const all = await readAll(app, officer, 'limit=200');
    const sorted = [...all].sort((a, b) =>
      a.occurredAt === b.occurredAt
        ? b.id.localeCompare(a.id)
        : b.occurredAt.localeCompare(a.occurredAt),
    );
    expect(ids(all)).toEqual(ids(sorted));
  });

  it('hold 50 unless told, 200 at most, and say that they are the last by having no cursor', async () => {
    const officer = await seedOfficer();
    await writeEvents(
      officer.tenantId,
      Array.from({ length: 60 }, () => ({})),
    );
    const first = await readPage(app, officer);
    expect(first.events).toHaveLength(50);
    const second = await readPage(app, officer, `cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ events: { length: 10 }, nextCursor: null });
    const whole = await readPage(app, officer, 'limit=60');
    expect(whole).toMatchObject({ events: { length: 60 }, nextCursor: null });
    for (const limit of ['0', '201', '-1', '1.5', '', 'x']) {
      expectRefusal(await as(app, officer).get(`${LOGS}?limit=${limit}`), [400]);
    }
  });

  it("are not begun with a cursor that was not handed out, and another tenant's shows nothing of theirs", async () => {
    const officer = await seedOfficer();
    const other = await seedOfficer();
    await writeEvents(other.tenantId, [{}, {}, {}]);
    for (const cursor of ['x', '', 'size/3', '%00', Buffer.from('1/2').toString('base64url')]) {
      expectRefusal(await as(app, officer).get(`${LOGS}?cursor=${cursor}`), [400]);
    }
    const { nextCursor } = await readPage(app, other, 'limit=1');
    expect((await readPage(app, officer, `cursor=${nextCursor}`)).events).toEqual([]);
  });
});

describe('filters', () => {
  const session = uuid();
  let officer: Awaited<ReturnType<typeof seedOfficer>>;
  let written: string[];
  const now = Date.now();
  /**
   * The events lie days or even years apart, because the index goes day by day and must find each
   * of them.
   */
  const EVENTS = [
    { at: 0, actor: 'ann', subject: 'staff:1', correlationId: 'c-1', sessionId: session },
    { at: 1, actor: 'bob', subject: 'staff:1', correlationId: 'c-1', outcome: 'denied' as const },
    { at: 2, actor: 'ann', action: 'FACTOR_REMOVED' as const, outcome: 'failure' as const },
    { at: 3 * DAY, actor: 'ann', correlationId: 'c-1', action: 'LOGIN_BLOCKED' as const },
    { at: 40 * DAY, actor: 'bob', sessionId: session, action: 'FACTOR_REMOVED' as const },
    { at: 900 * DAY, actor: 'ann', subject: 'staff:1', sessionId: session },
  ];
  const at = (n: number) => new Date(now - (EVENTS[n]?.at ?? 0));

  beforeAll(async () => {
    officer = await seedOfficer();
    const other = await seedOfficer();
    const rows = EVENTS.map(({ at: ago, ...event }) => ({
      ...event,
      occurredAt: new Date(now - ago),
    }));
    written = await writeEvents(officer.tenantId, rows);
    await writeEvents(other.tenantId, rows);
  });

  it.each<[string, string, number[]]>([
    ['an action', 'action=AUTH_LOGOUT', [0, 1, 5]],
    ['several actions', 'action=LOGIN_BLOCKED&action=FACTOR_REMOVED', [2, 3, 4]],
    ['the same action twice', 'action=LOGIN_BLOCKED&action=LOGIN_BLOCKED', [3]],
    ['an action that nothing did', 'action=TENANT_CREATED', []],
    ['an outcome', 'outcome=denied', [1]],
    ['the usual outcome', 'outcome=success', [0, 3, 4, 5]],
    ['an action and an outcome', 'action=FACTOR_REMOVED&outcome=success', [4]],
    ['an actor', 'actor=ann', [0, 2, 3, 5]],
    ['an actor who did nothing', 'actor=eve', []],
    ['a subject', 'subject=staff:1', [0, 1, 5]],
    ['a correlation id', 'correlationId=c-1', [0, 1, 3]],
    ['a session', `sessionId=${session}`, [0, 4, 5]],
    ['a session in capitals', `sessionId=${session.toUpperCase()}`, [0, 4, 5]],
    ['actor and action', 'actor=ann&action=AUTH_LOGOUT&action=LOGIN_BLOCKED', [0, 3, 5]],
    ['actor and outcome', 'actor=ann&outcome=failure', [2]],
    ['actor, subject and session', `actor=ann&subject=staff:1&sessionId=${session}`, [0, 5]],
    ['correlation id and actor', 'correlationId=c-1&actor=bob', [1]],
    ['what no event has all of', 'correlationId=c-1&action=FACTOR_REMOVED', []],
  ])('show what has %s, and nothing else', async (_name, query, expected) => {
    const wanted = expected.map((n) => written[n]);
    expect(ids(await readAll(app, officer, query))).toEqual(wanted);
    // With pages of one event, the cursor is tested after each event.
    expect(ids(await readAll(app, officer, `${query}&limit=1`))).toEqual(wanted);
  });

  it.each(['', '&actor=ann', '&action=AUTH_LOGOUT', '&outcome=success'])(
    'from includes its instant and to does not, also with %s',
    async (more) => {
      const query = `from=${at(3).toISOString()}&to=${at(0).toISOString()}${more}`;
      const all = ids(await readAll(app, officer, more.slice(1)));
      const within = written.slice(1, 4);
      expect(ids(await readAll(app, officer, query))).toEqual(
        all.filter((id) => within.includes(id)),
      );
    },
  );

  it('take instants of any offset, and show nothing where the range is empty', async () => {
    const offset = new Date(at(0).getTime() + 3_600_000).toISOString().replace('Z', '%2B01:00');
    expect(ids(await readAll(app, officer, `from=${offset}`))).toEqual([written[0]]);
    const query = `from=${at(0).toISOString()}&to=${at(5).toISOString()}`;
    for (const more of ['', '&actor=ann', '&action=AUTH_LOGOUT']) {
      expect(await readAll(app, officer, query + more)).toEqual([]);
    }
  });

  it.each([
    'action=NO_SUCH_ACTION',
    'action=auth_logout',
    'action=',
    'action=AUTH_LOGOUT,LOGIN_BLOCKED',
    'action=AUTH_LOGOUT&action=x',
    'outcome=other',
    'outcome=success&outcome=denied',
    'sessionId=x',
    'actor=',
    'actor=%00',
    'actor=a&actor=b',
    `actor=${'x'.repeat(201)}`,
    'subject=%ED%A0%80%00',
    'correlationId=',
    'from=2026-01-01',
    'from=2026-13-01T00:00:00Z',
    'to=yesterday',
    'to=99999-01-01T00:00:00Z',
    'colour=red',
    'tenantId=x',
    '__proto__=x',
  ])('refuse %s', async (query) => {
    expectRefusal(await as(app, officer).get(`${LOGS}?${query}`), [400]);
  });

  it('know every action there is', async () => {
    for (const action of Object.keys(AUDIT_ACTIONS)) {
      expect((await as(app, officer).get(`${LOGS}?action=${action}`)).status).toBe(200);
    }
  });
});

describe('what is rare', () => {
  it('is looked for only so long in one page: pages may be empty, and together they hold everything once', async () => {
    const { tenantId } = await seedOfficer();
    const start = Date.now();
    const events = Array.from({ length: 30 }, (_, n) => ({
      occurredAt: new Date(start - n * 11 * DAY),
      actor: n % 7 === 6 ? 'rare' : 'frequent',
    }));
    const written = await writeEvents(tenantId, events);
    const found: string[] = [];
    const pages: number[] = [];
    let below: { occurredAt: Date; id: string } | undefined;
    do {
      const query = { filter: { actor: 'rare' }, below, limit: 2, allActions: ALL_ACTIONS };
      const page = await listEvents(deps.pool, tenantId, query, 0);
      found.push(...ids(page.events));
      pages.push(page.events.length);
      below = page.next;
    } while (below);
    expect(found).toEqual(written.filter((_, n) => n % 7 === 6));
    expect(pages).toContain(0);
  });
});

it('says 503 where the table is gone, and never 500', async () => {
  const officer = await seedTestUserAndToken({ permissions: MAY_ALL });
  await withoutTable('audit_logs', async () => {
    expectRefusal(await as(app, officer).get(LOGS), [503]);
    expectRefusal(await as(app, officer).get(`${LOGS}/${uuid()}/proof`), [503]);
  });
});

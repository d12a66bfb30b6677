import { randomUUID } from 'node:crypto';
import { eq, inArray, sql } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { auditLogs, declaredEventTypes, eventBatches, tenants } from '@/server/db/schema';
import { startReceiver } from '@/tests/helpers/evidence/checkpointReceiver';
import { seal } from '@/tests/helpers/evidence/checkpoints';
import { openFeed, untilFed } from '@/tests/helpers/evidence/openFeed';
import { as } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { declareDeleted, deletion, openReporter } from '@/tests/helpers/people/reporter';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const one = buildApp();
const two = buildApp();
let reporter: Awaited<ReturnType<typeof openReporter>>;
let officer: Awaited<ReturnType<typeof seedTestUserAndToken>>;
let tenant: string;

beforeAll(async () => {
  await declareDeleted();
  reporter = await openReporter(one);
  officer = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
  tenant = officer.tenantSlug;
});

const countOf = async (action = 'app.project.deleted') =>
  (await db.select({ id: auditLogs.id }).from(auditLogs).where(eq(auditLogs.action, action)))
    .length;
const rowsOf = async (ids: string[]) =>
  db.select().from(auditLogs).where(inArray(auditLogs.id, ids)).orderBy(auditLogs.id);
const idsOf = (body: unknown) => (body as { ids: string[] }).ids;

/** Expects that a batch is refused, with these issues, and that nothing was written. */
async function refuse(events: readonly object[], ...issues: [path: string, message: RegExp][]) {
  const before = [await countOf(), (await db.select().from(eventBatches)).length];
  const res = await reporter.report(events);
  expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
  const found = (res.body as { issues: { path: string; message: string }[] }).issues;
  expect(found.map(({ path }) => path)).toEqual(issues.map(([path]) => path));
  found.forEach(({ message }, at) => expect(message).toMatch(issues[at]?.[1] ?? /never/));
  expect([await countOf(), (await db.select().from(eventBatches)).length]).toEqual(before);
}

describe('a reported batch', () => {
  it('is written in its order, with everything that the service says marked as reported', async () => {
    const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
    const res = await reporter.report([
      deletion(tenant),
      deletion(officer.tenantId, {
        actor: { userId: member.userId },
        subject: 'project:42',
        occurredAt: '2026-01-31T12:00:00+01:00',
        address: '::ffff:203.0.113.9',
        correlationId: 'order-1',
        outcome: 'denied',
        details: { project: 'p-2', amount: 7, plan: 'paid' },
      }),
      deletion(tenant, { actor: { name: 'operator:root@host' } }),
    ]);
    expect(res.status).toBe(201);
    const rows = await rowsOf(idsOf(res.body));
    expect(rows.map(({ id }) => id)).toEqual(idsOf(res.body));
    const reportedBy = rows[0]?.actor.replace('service:', '');
    expect(rows).toMatchObject([
      {
        ...{ tenantId: officer.tenantId, outcome: 'success', subject: null, ip: null },
        actor: `service:${String(reportedBy)}`,
        correlationId: res.headers['x-correlation-id'],
        details: { fields: { project: 'p-1' }, reportedBy, reported: [] },
      },
      {
        ...{ actor: member.staffId, subject: 'project:42', ip: '203.0.113.9', outcome: 'denied' },
        correlationId: 'order-1',
        details: {
          fields: { project: 'p-2', amount: 7, plan: 'paid' },
          reportedBy,
          reported: ['actor', 'subject', 'address', 'correlationId', 'outcome'],
          reportedTime: '2026-01-31T11:00:00.000Z',
        },
      },
      // A name is never taken for an operator, the server, or a member.
      { actor: 'reported:operator:root@host', details: { reported: ['actor'] } },
    ]);
  });

  it('needs a key with the scope, and an Idempotency-Key', async () => {
    const other = withKey(one.app, await makeServiceKey(one.deps, ['introspect']));
    const body = { events: [deletion(tenant)] };
    const refused = await other.post('/api/audit/events', body).set('idempotency-key', 'k');
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    const keyless = await withKey(one.app, reporter.key).post('/api/audit/events', body);
    expect([keyless.status, keyless.body.error]).toEqual([400, 'IDEMPOTENCY_KEY_REQUIRED']);
    const odd = await reporter.report([deletion(tenant)], 'a b');
    expect([odd.status, odd.body.error]).toEqual([400, 'IDEMPOTENCY_KEY_REQUIRED']);
  });

  it('is refused as a whole, and each wrong field is named with its event', async () => {
    await refuse(
      [
        deletion(tenant),
        deletion(tenant, { details: { project: 'p', amount: 1001 } }),
        deletion(tenant, { details: { amount: 1 } }),
        deletion(tenant, { details: { project: 'p', password: 'x' } }),
        deletion('no-such-tenant'),
        deletion(tenant, { action: 'app.unheard.of' }),
      ],
      ['events.1.details.amount', /1000/],
      ['events.2.details.project', /given|string/],
      ['events.3.details', /password/],
      ['events.4.tenant', /unknown/],
      ['events.5.action', /not a declared/],
    );
  });

  it('cannot use the name of an action of ours', async () => {
    await refuse(
      [deletion(tenant, { action: 'AUTH_LOGIN_SUCCEEDED' })],
      ['events.0.action', /app\./],
    );
  });

  it('names only members of its tenant, also as the subject', async () => {
    const stranger = await seedTestUserAndToken();
    await refuse(
      [
        deletion(tenant, { actor: { staffId: stranger.staffId } }),
        deletion(tenant, { actor: { userId: stranger.userId } }),
        deletion(tenant, { subject: `staff:${stranger.staffId}` }),
        deletion(tenant, { subject: 'staff:nobody' }),
      ],
      ['events.0.actor', /no member/],
      ['events.1.actor', /no member/],
      ['events.2.subject', /no member/],
      ['events.3.subject', /no member/],
    );
  });

  it('of hostile values is refused, and never breaks the server', async () => {
    const hostile = [
      { events: [] },
      { events: Array.from({ length: 101 }, () => deletion(tenant)) },
      { events: { length: 5 } },
      { events: [deletion(tenant, { details: { project: 'a\0b' } })] },
      { events: [deletion(tenant, { details: { project: '\ud800' } })] },
      { events: [deletion(tenant, { details: ['p'] })] },
      { events: [deletion(tenant, { details: { project: { length: { toString: 1 } } } })] },
      { events: [deletion(tenant, { subject: { length: { toString: 1 } } })] },
      { events: [deletion(tenant, { address: { length: { toString: 1 } } })] },
      { events: [deletion(tenant, { subject: 'no kind' })] },
      { events: [deletion(tenant, { address: '203.0.113.9\r\nx: y' })] },
      { events: [deletion(tenant, { correlationId: 'a b' })] },
      { events: [deletion(tenant, { occurredAt: '+012026-01-31T12:00:00Z' })] },
      { events: [{ ...deletion(tenant), transactionId: '1' }] },
      { events: [JSON.parse('{"__proto__": {"action": "app.project.deleted"}}') as object] },
    ];
    const program = withKey(one.app, reporter.key);
    const before = await countOf();
    for (const body of hostile) {
      const res = await program.post('/api/audit/events', body).set('idempotency-key', 'hostile');
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    }
    expect(await countOf()).toBe(before);
  });

  it('may be larger than other bodies, up to 512 kB', async () => {
    const events = Array.from({ length: 100 }, () =>
      deletion(tenant, { details: { project: 'é'.repeat(100) }, subject: `x:${'é'.repeat(190)}` }),
    );
    expect((await reporter.report(events)).status).toBe(201);
    const big = [deletion(tenant, { details: { project: 'x'.repeat(600_000) } })];
    expect((await reporter.report(big)).status).toBe(413);
  });

  it('is written for a suspended tenant, and refused for a deleted one', async () => {
    const { tenantId } = await seedTestUserAndToken();
    const become = (status: 'suspended' | 'deleted') =>
      db.update(tenants).set({ status }).where(eq(tenants.id, tenantId));
    await become('suspended');
    expect((await reporter.report([deletion(tenantId)])).status).toBe(201);
    await become('deleted');
    await refuse([deletion(tenantId)], ['events.0.tenant', /deleted/]);
  });
});

describe('an Idempotency-Key', () => {
  it('makes 20 parallel batches on two nodes one batch, with the same ids for all', async () => {
    const key = randomUUID();
    const before = await countOf();
    const events = [deletion(tenant), deletion(tenant)];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        reporter.report(events, key, (at % 2 === 0 ? one : two).app),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await countOf()).toBe(before + 2);
  });

  it('is refused for other events, and belongs to one service key', async () => {
    const key = randomUUID();
    expect((await reporter.report([deletion(tenant)], key)).status).toBe(201);
    const before = await countOf();
    const reused = await reporter.report([deletion(tenant, { subject: 'project:2' })], key);
    expect([reused.status, reused.body.error]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(await countOf()).toBe(before);
    const other = await openReporter(one);
    expect((await other.report([deletion(tenant)], key)).status).toBe(201);
    expect(await countOf()).toBe(before + 1);
  });

  it('gives the same answer after the type was withdrawn, and can be used after a refusal', async () => {
    const key = randomUUID();
    const refused = await reporter.report([deletion('no-such-tenant')], key);
    expect(refused.status).toBe(400);
    const first = await reporter.report([deletion(tenant)], key);
    expect(first.status).toBe(201);
    await db.update(declaredEventTypes).set({ withdrawnAt: new Date() });
    const again = await reporter.report([deletion(tenant)], key);
    expect([again.status, again.body]).toEqual([201, first.body]);
    await refuse([deletion(tenant)], ['events.0.action', /not a declared/]);
    await declareDeleted();
  });

  it('is forgotten a day later', async () => {
    const key = randomUUID();
    const first = await reporter.report([deletion(tenant)], key);
    const age = (hours: number) =>
      db.update(eventBatches).set({ createdAt: sql`now() - make_interval(hours => ${hours})` });
    await age(23);
    await runMaintenance(one.deps);
    expect((await reporter.report([deletion(tenant)], key)).body).toEqual(first.body);
    await age(25);
    await runMaintenance(one.deps);
    expect(await db.select().from(eventBatches)).toEqual([]);
  });
});

describe('reported events in the audit log', () => {
  it('are found by action, actor and outcome by readers of their tenant alone', async () => {
    const actor = { actor: { staffId: officer.staffId }, outcome: 'denied' };
    const [id] = idsOf((await reporter.report([deletion(tenant, actor)])).body);
    const stranger = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const queries = [
      'action=app.project.deleted&limit=1',
      `actor=${officer.staffId}&action=app.project.deleted`,
      'outcome=denied&limit=1',
    ];
    for (const query of queries) {
      const path = `/api/compliance/audit-logs?${query}`;
      const mine = (await as(one.app, officer).get(path)).body as { events: { id: string }[] };
      expect(mine.events.map((event) => event.id)).toContain(id);
      const theirs = (await as(one.app, stranger).get(path)).body as { events: unknown[] };
      expect(theirs.events).toEqual([]);
    }
    const own = await as(one.app, officer).get('/api/auth/me/events?action=app.project.deleted');
    expect((own.body as { events: { id: string }[] }).events.map((event) => event.id)).toContain(
      id,
    );
    expect((await as(one.app, stranger).get(`/api/compliance/audit-logs/${id}`)).status).toBe(404);
  });

  it('reach a receiver of the feed in both formats, and say there what was only reported', async () => {
    const [ocsf, plain] = [await startReceiver(), await startReceiver()];
    const feeds = [await openFeed(ocsf.url), await openFeed(plain.url, { format: 'json' })];
    const said = { actor: { name: 'nightly import' }, subject: 'project:42', outcome: 'denied' };
    const [id] = idsOf((await reporter.report([deletion(tenant, said)])).body);
    await seal();
    for (const { sink } of feeds) await untilFed(sink);
    const [shown, entry] = [ocsf, plain].map(({ accepted }) =>
      accepted
        .flatMap(({ note }) => note.trimEnd().split('\n'))
        .map((line) => JSON.parse(line) as { id?: string; metadata?: { uid?: string } })
        .find((event) => (event.id ?? event.metadata?.uid) === id),
    );
    const details = {
      fields: { project: 'p-1' },
      reportedBy: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      reported: ['actor', 'subject', 'outcome'],
    };
    expect(entry).toMatchObject({
      action: 'app.project.deleted',
      actor: 'reported:nightly import',
    });
    expect(entry).toMatchObject({ outcome: 'denied', subject: 'project:42', details });
    expect(shown).toMatchObject({
      ...{ activity_name: 'Reported Event', api: { service: { name: 'Product' } } },
      // A name that was reported is no id of a user.
      actor: { user: { name: 'nightly import', type_id: 0 } },
      unmapped: { details },
    });
    expect(shown).not.toHaveProperty('actor.user.uid');
  });
});

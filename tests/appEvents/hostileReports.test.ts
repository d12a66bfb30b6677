import { randomUUID } from 'node:crypto';
import { inArray, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, eventBatches } from '@/server/db/schema';
import { createDice } from '@/tests/helpers/http/dice';
import { LEAK } from '@/tests/helpers/http/expectRefusal';
import { declareDeleted, deletion, openReporter } from '@/tests/helpers/people/reporter';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const SEED = 20_261_130;
const ROUNDS = 120;
const dice = createDice(SEED);
const nodes = [buildApp(), buildApp()] as const;
let reporter: Awaited<ReturnType<typeof openReporter>>;
let tenant: string;

beforeAll(async () => {
  await declareDeleted();
  reporter = await openReporter(nodes[0]);
  tenant = (await seedTestUserAndToken()).tenantSlug;
});

type Fields = Record<'project' | 'amount' | 'plan', unknown>;
const idsIn = (body: unknown) => (body as { ids: string[] }).ids;
const countOf = async (table: typeof auditLogs | typeof eventBatches) =>
  (await db.select({ count: sql<number>`count(*)::int` }).from(table))[0]?.count ?? 0;

/** Sends a body as it stands, to one of the nodes. */
function send(text: string, key: string, at: number = dice.below(2)) {
  return request((nodes[at] ?? nodes[0]).app)
    .post('/api/audit/events')
    .set('authorization', `Bearer ${reporter.key}`)
    .set('idempotency-key', key)
    .set('content-type', 'application/json')
    .send(text);
}

/** Each of these is put into the body instead of its name, because no value is written so. */
const RAW: Record<string, string> = {
  '<huge>': '1e999',
  '<long>': '9'.repeat(400),
  '<deep list>': '['.repeat(50_000) + ']'.repeat(50_000),
  '<deep object>': '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000),
  '<twice>': '{"project":"a","project":"b"}',
  '<proto>': '{"__proto__":{"project":"p","polluted":1},"project":"p"}',
};
const VALUES: readonly unknown[] = [
  ...['', ' ', '\0', 'a\0b', '\ud800', '\udfff\ud800', '\u202e', '💣'.repeat(60), 'x'.repeat(300)],
  ...['__proto__', 'constructor', 'staff:', 'staff:\0', 'project:\n', 'app.project.deleted'],
  ...['00000000-0000-0000-0000-000000000000', '2026-02-30T00:00:00Z', "' OR 1=1 --", '=1+1'],
  ...[0, -0, -1, 0.1, 1e308, 2 ** 53, 1001, null, true, [], {}, [[]], { length: 3 }],
  ...[{ toString: 1 }, { toJSON: 'x' }, { name: 'a\0' }, { staffId: 'x' }, ...Object.keys(RAW)],
];
const NAMES = [
  ...['action', 'tenant', 'actor', 'subject', 'occurredAt', 'address', 'correlationId', 'outcome'],
  ...['details', 'details', 'details', 'id', '__proto__', 'constructor', '', 'a\0', '\ud800'],
];
const DETAIL_NAMES = ['project', 'amount', 'plan', 'password', '__proto__', 'x'.repeat(41), '\0'];

/** Sets a member of an object by its text, so that `__proto__` is a member like others. */
const withMember = (object: object, name: string, value: unknown) =>
  Object.fromEntries([...Object.entries(object), [name, value]]) as Record<string, unknown>;

function makeEvent(): object {
  const event = deletion(tenant);
  if (dice.below(4) > 0) return event;
  if (dice.below(3) > 0) return withMember(event, dice.pick(NAMES), dice.pick(VALUES));
  const details = withMember(event.details, dice.pick(DETAIL_NAMES), dice.pick(VALUES));
  return { ...event, details };
}

function makeBody(): string {
  const length = dice.pick([1, 1, 1, 1, 2, 3, 0, 99, 100, 101]);
  // Few of the events of a long batch are hostile, or none would ever be accepted.
  const hostile = dice.below(4);
  const events: unknown[] = Array.from({ length }, (_, at) =>
    at < hostile ? makeEvent() : deletion(tenant),
  );
  if (dice.below(10) === 0) events.push(dice.pick(VALUES));
  const body = dice.below(20) === 0 ? withMember({ events }, dice.pick(NAMES), 1) : { events };
  return JSON.stringify(body).replaceAll(/"(<[a-z ]+>)"/g, (all, name: string) => RAW[name] ?? all);
}

it(`${ROUNDS} hostile batches are each written as a whole or refused as a whole, and never break a node`, async () => {
  const before = [await countOf(auditLogs), await countOf(eventBatches)];
  const written: { text: string; key: string; ids: string[] }[] = [];
  const seen = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [text, key] = [makeBody(), randomUUID()];
    const res = await send(text, key);
    seen.set(res.status, (seen.get(res.status) ?? 0) + 1);
    // The label identifies the request if one fails.
    const label = `${round}: ${text.slice(0, 300)}`;
    const known = [201, 400, 413].includes(res.status);
    const leak = res.status === 201 ? undefined : LEAK.exec(res.text)?.[0];
    expect({ label, status: known || res.status, leak }).toEqual({ label, status: true });
    if (res.status === 201) written.push({ text, key, ids: idsIn(res.body) });
    const earlier = dice.below(5) === 0 ? written.at(dice.below(written.length)) : undefined;
    if (earlier === undefined) continue;
    const again = await send(earlier.text, earlier.key);
    expect([again.status, idsIn(again.body)]).toEqual([201, earlier.ids]);
    const other = await send(`${earlier.text.slice(0, -1)} }`.replace('p-1', 'p-2'), earlier.key);
    expect([other.status, other.body.error]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
  }
  const ids = written.flatMap((batch) => batch.ids);
  expect(await countOf(auditLogs)).toBe((before[0] ?? 0) + ids.length);
  expect(await countOf(eventBatches)).toBe((before[1] ?? 0) + written.length);
  const stored = await db
    .select({ id: auditLogs.id, action: auditLogs.action, details: auditLogs.details })
    .from(auditLogs)
    .where(inArray(auditLogs.id, ids))
    .orderBy(auditLogs.id);
  expect(stored.map(({ id }) => id)).toEqual([...ids].sort());
  for (const { action, details } of stored) {
    expect(action).toBe('app.project.deleted');
    // What the type does not declare is nowhere.
    const { project, amount = 0, plan = 'free', ...more } = details['fields'] as Fields;
    expect([typeof project, typeof amount, more]).toEqual(['string', 'number', {}]);
    expect(['free', 'paid']).toContain(plan);
  }
  expect(Object.keys(Object.prototype)).toEqual([]);
  // If nearly all were answered alike, the test would prove little.
  for (const status of [201, 400]) expect(seen.get(status)).toBeGreaterThan(ROUNDS / 5);
});

it.each(['<deep list>', '<deep object>'])(
  'details of a %s are refused before anything walks through them',
  async (name) => {
    const event = deletion(tenant, { details: { project: 'p-1', amount: name } });
    const body = JSON.stringify({ events: [event] });
    const res = await send(body.replace(`"${name}"`, RAW[name] ?? ''), randomUUID());
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    const [issue] = (res.body as { issues: { path: string; message: string }[] }).issues;
    expect(issue).toMatchObject({
      path: 'events.0.details.amount',
      message: 'is nested too deeply',
    });
  },
);

it('of 20 batches at once with one key and different bodies, on two nodes, exactly one is written', async () => {
  const bodies = [
    [deletion(tenant), deletion(tenant)],
    [deletion(tenant, { subject: 'project:2' })],
    [deletion(tenant), deletion('no-such-tenant')],
  ].map((events) => JSON.stringify({ events }));
  for (let round = 0; round < 5; round += 1) {
    const before = [await countOf(auditLogs), await countOf(eventBatches)];
    const key = randomUUID();
    const sent = Array.from({ length: 20 }, () => dice.pick(bodies));
    const answers = await Promise.all(sent.map((text, at) => send(text, key, at % 2)));
    const winners = answers.flatMap(({ status, body }, at) =>
      status === 201 ? [{ text: sent[at], ids: idsIn(body) }] : [],
    );
    // All who sent the body that was written learn the same ids, and nobody else does.
    expect(new Set(winners.map((one) => JSON.stringify(one))).size).toBe(1);
    const [winner] = winners;
    expect(winner?.text).not.toBe(bodies[2]);
    answers.forEach(({ status }, at) => {
      if (sent[at] === winner?.text) expect(status).toBe(201);
      else expect(sent[at] === bodies[2] ? [400, 422] : [422]).toContain(status);
    });
    expect(await countOf(auditLogs)).toBe((before[0] ?? 0) + (winner?.ids.length ?? 0));
    expect(await countOf(eventBatches)).toBe((before[1] ?? 0) + 1);
  }
});

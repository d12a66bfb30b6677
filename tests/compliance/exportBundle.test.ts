import { createHash, randomUUID } from 'node:crypto';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs, riskDecisions, users } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { binaryBody } from '@/tests/helpers/http/binaryBody';
import { isNoteSignedBy } from '@/tests/helpers/evidence/evidenceBundle';
import type { Manifest } from '@/tests/helpers/evidence/evidenceBundle';
import { parseCsv } from '@/tests/helpers/evidence/parseCsv';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const today = new Date().toISOString().slice(0, 10);

function ask(token: string, body: object, path = 'bundle') {
  return request(app)
    .post(`/api/compliance/export/${path}`)
    .set('authorization', `Bearer ${token}`)
    .set('x-stepup-test-bypass', '1')
    .send(body)
    .buffer(true)
    .parse(binaryBody);
}

async function bundle(token: string, body: object): Promise<Map<string, Buffer>> {
  const res = await ask(token, body);
  expect(res.status).toBe(200);
  return readZip(res.body as Buffer);
}

const textOf = (files: Map<string, Buffer>, name: string) =>
  files.get(name)?.toString('utf8') ?? '';
const manifestOf = (files: Map<string, Buffer>) =>
  JSON.parse(textOf(files, 'manifest.json')) as Manifest;

/** Undoes the apostrophe rule of a bundle's README. */
const unguard = (cell: string) => (cell.startsWith("'") ? cell.slice(1) : cell);

const HOSTILE_AGENTS = [
  '=cmd|/c calc!A1',
  '+1+1',
  '-2+3',
  '@SUM(A1)',
  "'quoted already",
  '"quotes", and commas',
  'emoji 🔐 and \u202Eright to left',
  '＝full width',
  'tab\tin the middle',
  '\tstarts with a tab',
  'two\r\nlines',
  '\nstarts with a line feed',
  '\rstarts with a carriage return',
  '＋full width',
  '－full width',
  '＠full width',
  '',
  'back\\slash \\n',
  '\u0001control\u0007 \u007f\u0085\u2028characters',
];

describe('the evidence bundle', () => {
  let seeded: SeededAuth;
  let other: SeededAuth;

  beforeAll(async () => {
    seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    other = await seedTestUserAndToken();
    const row = {
      tenantId: seeded.tenantId,
      action: 'AUTH_LOGIN_FAILED',
      outcome: 'failure' as const,
    };
    const hostile = HOSTILE_AGENTS.map((userAgent, index) => ({
      ...row,
      actor: 'anonymous',
      correlationId: `hostile-${index}`,
      occurredAt: new Date('2026-03-31T23:59:59.999Z'),
      userAgent,
      details: { reason: userAgent },
    }));
    await db.insert(auditLogs).values(hostile);
    const edge = { ...row, actor: 'system', outcome: 'success' as const };
    await db.insert(auditLogs).values([
      { ...edge, correlationId: 'before', occurredAt: new Date('2026-02-28T23:59:59.999Z') },
      { ...edge, correlationId: 'first', occurredAt: new Date('2026-03-01T00:00:00.000Z') },
      { ...edge, correlationId: 'after', occurredAt: new Date('2026-04-01T00:00:00.000Z') },
      {
        ...edge,
        tenantId: other.tenantId,
        correlationId: 'another-tenants',
        occurredAt: new Date('2026-03-15T12:00:00.000Z'),
      },
      {
        ...edge,
        action: 'SESSION_INVALIDATED',
        correlationId: 'security',
        occurredAt: new Date('2026-03-15T12:00:00.000Z'),
      },
    ]);
  });

  const march = { from: '2026-03-01', to: '2026-03-31' };

  it('names every file with its true size, hash and rows, under a signature that verifies', async () => {
    const files = await bundle(seeded.token, { ...march, format: 'csv' });
    const manifest = manifestOf(files);
    expect(manifest.tenant.id).toBe(seeded.tenantId);
    expect(manifest.range).toEqual(march);
    const listed = manifest.files.map(({ name }) => name);
    const present = [...files.keys()].filter((name) => !name.startsWith('manifest.'));
    expect(listed).toEqual(present);
    for (const { name, bytes, sha256, rows } of manifest.files) {
      const content = files.get(name) ?? Buffer.alloc(0);
      expect([name, content.length]).toEqual([name, bytes]);
      expect([name, createHash('sha256').update(content).digest('hex')]).toEqual([name, sha256]);
      if (rows === null) continue;
      const text = content.toString('utf8');
      const counted = name.endsWith('.csv')
        ? parseCsv(text).length - 1
        : text.split('\n').length - 1;
      expect([name, counted]).toEqual([name, rows]);
    }
    const signed = textOf(files, 'manifest.sig');
    expect(
      signed.startsWith(`${textOf(files, 'manifest.json')}\n\n— gatehouse/${seeded.tenantId} `),
    ).toBe(true);
    const { key } = manifestOf(files) as { key: string };
    expect(isNoteSignedBy(signed, key)).toBe(true);
    expect(isNoteSignedBy(signed.replace('"version":2', '"version":3'), key)).toBe(false);
    expect(isNoteSignedBy(textOf(files, 'checkpoint.txt'), key)).toBe(true);
  });

  it('holds every event of the range to the millisecond, and none of another tenant', async () => {
    const files = await bundle(seeded.token, { ...march, format: 'json' });
    const ids = textOf(files, 'audit-log.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { correlation_id: string }).correlation_id);
    const hostile = HOSTILE_AGENTS.map((_agent, index) => `hostile-${index}`);
    expect([...ids].sort()).toEqual(['first', 'security', ...hostile].sort());
    const security = textOf(files, 'security-events.jsonl').trimEnd().split('\n');
    expect(security).toHaveLength(1);
    expect(JSON.parse(security[0] ?? '')).toMatchObject({ correlation_id: 'security' });
  });

  it('gives every hostile cell back exactly, by the rule that its README states', async () => {
    const files = await bundle(seeded.token, { ...march, format: 'csv' });
    const [header = [], ...rows] = parseCsv(textOf(files, 'audit-log.csv'));
    const column = (name: string) => header.indexOf(name);
    const agents = rows
      .filter((row) => (row[column('correlation_id')] ?? '').startsWith('hostile-'))
      .sort((a, b) =>
        (a[column('correlation_id')] ?? '').localeCompare(
          b[column('correlation_id')] ?? '',
          undefined,
          { numeric: true },
        ),
      )
      .map((row) => row[column('user_agent')] ?? '');
    expect(agents.map(unguard)).toEqual(HOSTILE_AGENTS);
    for (const agent of agents) expect(agent).not.toMatch(/^[=+\-@\t\n\r＝＋－＠]/);
    const records = textOf(files, 'audit-log.csv');
    expect(records.endsWith('\r\n')).toBe(true);
  });

  it('gives names and notes back exactly as well', async () => {
    const { tenantId, staffId } = await seedTestUserAndToken({
      tenantId: seeded.tenantId,
      email: `=cmd|calc,"a" 🔐\u202e-${seeded.staffId}@example.com`,
    });
    const decision = {
      ...{ tenantId, staffId, at: 'login' as const, score: 0, reasons: [], seen: '', signals: {} },
      ...{ decision: 'allow' as const, outcome: 'allowed' as const, spentUs: 1 },
      ...{ occurredAt: new Date('2026-03-15T12:00:00Z'), verdict: 'suspicious' as const },
      ...{ verdictBy: staffId, verdictAt: new Date() },
    };
    await db.insert(riskDecisions).values(
      HOSTILE_AGENTS.map((verdictNote, n) => ({
        ...{ ...decision, id: randomUUID(), verdictNote, correlationId: `note-${n}` },
      })),
    );
    const files = await bundle(seeded.token, { from: '2026-03-01', to: today, format: 'csv' });
    const cells = (name: string, column: string) => {
      const [header = [], ...rows] = parseCsv(textOf(files, name));
      return rows.map((row) => row[header.indexOf(column)] ?? '');
    };
    const notes = cells('risk-decisions.csv', 'verdict_note');
    expect(notes.map(unguard).sort()).toEqual([...HOSTILE_AGENTS].sort());
    const names = cells('access-review.csv', 'email').filter((email) => email.includes('calc'));
    expect(names).toEqual([`'=cmd|calc,"a" 🔐\u202e-${seeded.staffId}@example.com`]);
  });

  it('holds no hash and no secret, whatever the format', async () => {
    const [person] = await db.select().from(users).where(eq(users.id, seeded.userId));
    for (const format of ['csv', 'json']) {
      const files = await bundle(seeded.token, { from: '2026-01-01', to: today, format });
      // The hashes of files, leaves and migrations are no secrets.
      for (const name of ['manifest.json', 'manifest.sig', 'schema-changes.csv'])
        files.delete(name);
      const everything = [...files.values()].map((file) => file.toString('utf8')).join('\n');
      expect(everything).toContain(seeded.email);
      expect(everything).not.toContain('$argon2');
      expect(everything).not.toContain(person?.passwordHash ?? '$argon2');
      expect(everything).not.toContain(seeded.refreshToken);
      expect(everything).not.toMatch(/[0-9a-f]{64}.*token/i);
      expect(everything).not.toContain(other.email);
    }
  });

  it('contains the request for itself', async () => {
    const files = await bundle(seeded.token, { from: today, to: today, format: 'json' });
    const events = textOf(files, 'audit-log.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { action: string; subject: string });
    const { exportId } = JSON.parse(textOf(files, 'manifest.json')) as { exportId: string };
    const about = events.filter(({ subject }) => subject === `export:${exportId}`);
    expect(about.map(({ action }) => action)).toEqual(['DATA_EXPORT_REQUESTED']);
  });

  it('exports the security events alone as a file of their own', async () => {
    const csv = await ask(seeded.token, { ...march, format: 'csv' }, 'security-events');
    expect(csv.status).toBe(200);
    expect(csv.headers['content-type']).toContain('text/csv');
    expect(csv.headers['content-disposition']).toMatch(/^attachment; filename="[\w.-]+\.csv"$/);
    expect(parseCsv((csv.body as Buffer).toString('utf8'))).toHaveLength(2);
    const json = await ask(seeded.token, { ...march, format: 'json' }, 'security-events');
    expect(json.headers['content-type']).toContain('application/x-ndjson');
  });

  it.each([
    ['an inverted range', { from: '2026-03-31', to: '2026-03-01', format: 'csv' }],
    ['an endless range', { from: '2000-01-01', to: '2100-12-31', format: 'csv' }],
    ['a year out of reach', { from: '0001-01-01', to: '0001-01-02', format: 'csv' }],
    ['a day that does not exist', { from: '2026-02-30', to: '2026-03-01', format: 'csv' }],
    ['a time instead of a day', { from: '2026-03-01T00:00:00Z', to: '2026-03-02', format: 'csv' }],
    ['an unknown format', { ...march, format: 'xlsx' }],
    [
      'SQL for a day',
      { from: "2026-03-01'; DROP TABLE users; --", to: '2026-03-02', format: 'csv' },
    ],
    ['arrays for strings', { from: ['2026-03-01'], to: ['2026-03-31'], format: ['csv'] }],
  ])('refuses %s with a clear 400', async (_what, body) => {
    for (const path of ['bundle', 'security-events']) {
      const res = await request(app)
        .post(`/api/compliance/export/${path}`)
        .set('authorization', `Bearer ${seeded.token}`)
        .set('x-stepup-test-bypass', '1')
        .send(body);
      expect(res.status).toBe(400);
      expect(res.body.error).toBe('INVALID_INPUT');
      expect(res.body.issues.length).toBeGreaterThan(0);
    }
  });
});

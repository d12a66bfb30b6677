import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs, riskDecisions, stepUpChallenges, tenants } from '@/server/db/schema';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const HOSTILE_NAME = `<script>alert("1")</script> & 'Söhne' =1+1`;
/** Begins yesterday, because the tests' database may have been migrated just before midnight. */
const FROM = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
const today = { from: FROM, to: utcToday(), format: 'csv' };

const refresh = (refreshToken: string) =>
  request(app).post('/api/auth/refresh').send({ refreshToken });

describe('the tables of a bundle', () => {
  let officer: SeededAuth;
  let other: SeededAuth;
  let evidence: Evidence;
  let earlier: Evidence;

  beforeAll(async () => {
    officer = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    other = await seedTestUserAndToken();
    const { tenantId, userId, staffId, sessionId } = officer;
    await db.update(tenants).set({ name: HOSTILE_NAME }).where(eq(tenants.id, tenantId));
    const thief = await seedTestUserAndToken({ tenantId });
    await refresh(thief.refreshToken);
    await refresh(thief.refreshToken);
    await refresh(other.refreshToken);
    const challenge = {
      ...{ tenantId, userId, staffId, sessionId, origin: 'session' as const },
      purpose: 'data_export' as const,
      expiresAt: new Date(Date.now() + 60_000),
    };
    const now = new Date();
    await db.insert(stepUpChallenges).values([
      { ...challenge, verifiedAt: now, verifiedMethod: 'totp', consumedAt: now, attempts: 1 },
      { ...challenge, attempts: 5 },
      { ...challenge, score: 75, reasons: ['NEW_DEVICE', 'NEW_COUNTRY'] },
      { ...challenge, createdAt: new Date('2026-01-01') },
    ]);
    const decision = {
      ...{ tenantId, staffId, at: 'login' as const, occurredAt: now, seen: '', signals: {} },
      ...{ decision: 'allow' as const, outcome: 'allowed' as const, spentUs: 1 },
    };
    const ids = ['01', '02', '03'].map((n) => `01900000-0000-7000-8000-0000000000${n}`);
    await db.insert(riskDecisions).values([
      {
        ...decision,
        id: ids[0] ?? '',
        score: 70,
        reasons: ['NEW_DEVICE'],
        correlationId: 'scored',
      },
      {
        ...decision,
        id: ids[1] ?? '',
        score: 0,
        reasons: ['ANOMALY_CHECK_SKIPPED'],
        degraded: 'timeout',
        correlationId: 'skipped',
      },
      {
        ...decision,
        id: ids[2] ?? '',
        tenantId: other.tenantId,
        score: 1,
        reasons: [],
        correlationId: 'foreign',
      },
    ]);
    const made = { tenantId, outcome: 'success' as const, actor: staffId, correlationId: 'made' };
    await db.insert(auditLogs).values([
      {
        ...made,
        action: 'IP_RULE_CREATED',
        subject: 'ip-rule:1',
        details: { cidr: '=203.0.113.0/24' },
      },
      { ...made, action: 'IMPERSONATION_STARTED', onBehalfOf: thief.staffId, sessionId },
      { ...made, action: 'LOGIN_BLOCKED', occurredAt: new Date(`${utcToday()}T00:00:00Z`) },
      { ...made, tenantId: other.tenantId, action: 'IP_RULE_CREATED' },
      {
        ...made,
        tenantId: null,
        action: 'SCHEMA_HEALTH_FAILED',
        outcome: 'failure',
        details: { missing: ['mails'], findings: [], differences: 0 },
      },
    ]);
    earlier = await downloadEvidence(app, officer, today);
    evidence = await downloadEvidence(app, officer, today);
  });

  it('have every revocation of a token with its reason', () => {
    const reasons = evidence.table('token-revocations.csv').map((row) => row['revoke_reason']);
    expect(reasons.sort()).toEqual(['reuse_detected', 'rotation']);
  });

  it('have every challenge of the range and what became of it', () => {
    const rows = evidence.table('step-ups.csv');
    expect(
      rows.map((row) => [row['outcome'], row['method'], row['score'], row['reasons']]).sort(),
    ).toEqual([
      ['exhausted', '', '', '[]'],
      ['not_verified', '', '75', '["NEW_DEVICE","NEW_COUNTRY"]'],
      ['used', 'totp', '', '[]'],
    ]);
  });

  it('have every decision of the risk gate, those without a score too', () => {
    const rows = evidence
      .table('risk-decisions.csv')
      .filter((row) => /^(sc|sk|fo)/.test(row['correlation_id'] ?? ''));
    expect(
      rows.map((row) => [row['correlation_id'], row['score'], row['reasons'], row['skipped']]),
    ).toEqual([
      ['scored', '70', '["NEW_DEVICE"]', ''],
      ['skipped', '0', '["ANOMALY_CHECK_SKIPPED"]', 'timeout'],
    ]);
  });

  it('have who exported what, this export among them', () => {
    const rows = evidence
      .table('data-exports.csv')
      .map((row) => [row['action'], row['export_id'], row['actor'], row['range_from']]);
    expect(rows).toEqual([
      ['DATA_EXPORT_REQUESTED', earlier.manifest.exportId, officer.staffId, FROM],
      ['DATA_EXPORT_COMPLETED', earlier.manifest.exportId, officer.staffId, FROM],
      ['DATA_EXPORT_REQUESTED', evidence.manifest.exportId, officer.staffId, FROM],
    ]);
    expect(Number(evidence.table('data-exports.csv')[1]?.['bytes'])).toBe(earlier.zip.length);
  });

  it('have changes of IP rules and impersonations, of this tenant alone', () => {
    expect(evidence.table('ip-rules.csv')).toMatchObject([
      {
        action: 'IP_RULE_CREATED',
        actor: officer.staffId,
        subject: 'ip-rule:1',
        details: '{"cidr": "=203.0.113.0/24"}',
      },
    ]);
    expect(evidence.table('impersonations.csv')).toMatchObject([
      { action: 'IMPERSONATION_STARTED', session_id: officer.sessionId },
    ]);
  });

  it('have every migration with the hash of its file, and what the guard of the schema found', () => {
    const folder = join(process.cwd(), 'migrations');
    const expected = readdirSync(folder)
      .filter((name) => name.endsWith('.sql'))
      .sort()
      .map((name) => [
        name.replace('.sql', ''),
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]);
    const rows = evidence
      .table('schema-changes.csv')
      .map((row) => [row['migration'], row['sha256']]);
    expect(rows).toEqual(expected);
    expect(evidence.table('schema-health.csv')).toMatchObject([
      { action: 'SCHEMA_HEALTH_FAILED', missing: '["mails"]', differences: '0' },
    ]);
  });

  it('are all named in controls.csv, each criterion with a file that is in the bundle', () => {
    const rows = evidence.table('controls.csv');
    const criteria = [...new Set(rows.map((row) => row['criterion']))];
    expect(criteria).toEqual([
      'CC6.1',
      'CC6.2',
      'CC6.3',
      'CC6.6',
      'CC6.7',
      'CC7.2',
      'CC7.3',
      'CC8.1',
    ]);
    const named = new Set(rows.map((row) => row['file'] ?? ''));
    const tables = evidence.manifest.files
      .map(({ name }) => name)
      .filter((name) => /\.(csv|html)$/.test(name) && !/^(audit-log-edges|controls)/.test(name));
    expect([...named].sort()).toEqual(tables.sort());
  });

  it('say what they are a population of', () => {
    for (const { name, rows, population } of evidence.manifest.files) {
      if (rows === null || name === 'controls.csv')
        expect([name, population]).toEqual([name, null]);
      else expect([name, Boolean(population?.of && population.filter)]).toEqual([name, true]);
    }
  });

  it('are summed up in a page that runs nothing, loads nothing and shows hostile text as text', () => {
    const page = evidence.text('summary.html');
    expect(page).toContain(
      '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;Söhne&#39; =1+1',
    );
    expect(page).not.toMatch(/<script|<img|<link|<iframe|javascript:|\son\w+=|https?:\/\/|url\(/i);
    expect(page).toContain("default-src 'none'");
    expect(page).toContain('<h2>Sign-ins blocked for their risk score: 1</h2>');
    expect(page).toContain('<h2>Completed exports: 1</h2>');
    expect(page.match(/<svg/g)).toHaveLength(5);
  });
});

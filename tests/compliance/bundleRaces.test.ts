import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuditAction } from '@/server/audit';
import { sealNext } from '@/server/audit/log/seal';
import { toTimeRange } from '@/server/compliance/exportInput';
import { openSnapshot } from '@/server/compliance/exportStore';
import { STEP_UPS } from '@/server/compliance/stateFileStore';
import { createApp } from '@/server/createApp';
import { db } from '@/server/db';
import { stepUpChallenges } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';
import { expectWholeStretch } from '@/tests/helpers/evidence/wholeStretch';

const { deps } = buildApp();

/**
 * Creates the application. It commits something after an export has had the log sealed, and before
 * the export's snapshot.
 */
const appWhere = (happens: () => Promise<unknown>) =>
  createApp({
    ...deps,
    sealer: {
      ...deps.sealer,
      sealNow: async (waitMs?: number) => {
        await deps.sealer.sealNow(waitMs);
        await happens();
      },
    },
  });

const march = { from: '2026-03-01', to: '2026-03-31', format: 'json' };
const on = (day: string, action: AuditAction = 'AUTH_LOGOUT') => ({
  action,
  occurredAt: new Date(`2026-${day}T12:00:00Z`),
});

/** Runs one step of a sealer that has more to do: the leaves exist, but no checkpoint does. */
async function sealInPart(chunk: number) {
  const client = await deps.pool.connect();
  await client.query('BEGIN');
  const pass = await sealNext({ ...deps, signed: new Map() }, client, { chunk });
  await client.query('COMMIT');
  client.release();
  expect(pass).toMatchObject({ sealed: chunk, done: false });
}

describe('what is committed between the sealing of the log and the snapshot', () => {
  const LATE: AuditAction[] = [
    'IP_RULE_CREATED',
    'IMPERSONATION_STARTED',
    'STAFF_CREATED',
    'STAFF_PERMISSIONS_CHANGED',
    'STAFF_DISABLED',
    'DATA_EXPORT_COMPLETED',
    'AUTH_LOGIN_FAILED',
    'LOGIN_BLOCKED',
    'SUSPICIOUS_LOGIN_DETECTED',
  ];

  it.each([
    ['is in no file', () => Promise.resolve()],
    ['is in no file where it has leaves already, and no head', () => sealInPart(LATE.length)],
  ])('%s', async (_what, seal) => {
    const officer = await seedOfficer();
    await writeEvents(officer.tenantId, [on('03-01')]);
    const late = LATE.map((action) => ({
      ...on('03-02', action),
      subject: `staff:${randomUUID()}`,
      details: { permissions: ['LATE'], before: [], after: ['LATE'] },
    }));
    const evidence = await downloadEvidence(
      appWhere(() => writeEvents(officer.tenantId, late).then(seal)),
      officer,
      march,
    );
    expectWholeStretch(evidence);
    expect(
      evidence.manifest.files
        .filter(({ name, rows }) => rows !== 0 && /jsonl|csv/.test(name) && name !== 'controls.csv')
        .map(({ name, rows }) => [name, rows]),
    ).toEqual([
      ['audit-log-edges.jsonl', 1],
      ['audit-log.jsonl', 1],
      // The built-in roles.
      ['role-definitions.csv', 4],
    ]);
    expect(evidence.text('summary.html')).not.toMatch(/<h2>[^<]*: [1-9]/);
  });

  it('does not pass for what lies between the events of the range', async () => {
    const officer = await seedOfficer();
    for (const day of ['03-01', '02-01', '03-02']) await writeEvents(officer.tenantId, [on(day)]);
    const app = appWhere(() => writeEvents(officer.tenantId, [on('03-03')]));
    const evidence = await downloadEvidence(app, officer, march);
    expectWholeStretch(evidence);
    expect(evidence.manifest.log).toMatchObject({ firstLeaf: 0, lastLeaf: 3 });
  });
});

describe('what is committed after the snapshot', () => {
  it('is in no table', async () => {
    const { tenantId, userId, staffId, sessionId } = await seedOfficer();
    await writeEvents(tenantId, [on('03-01')]);
    await deps.sealer.sealNow();
    const challenge = { tenantId, userId, staffId, sessionId, origin: 'session' as const };
    const createdAt = new Date('2026-03-02T00:00:00Z');
    const ask = () =>
      db
        .insert(stepUpChallenges)
        .values({ ...challenge, purpose: 'data_export', createdAt, expiresAt: new Date() });
    await ask();
    const wanted = {
      exportId: 'any',
      range: toTimeRange(march),
      format: 'csv' as const,
      files: [STEP_UPS],
    };
    const snapshot = await openSnapshot(deps.pool, tenantId, wanted);
    await ask();
    const rows = Buffer.concat((await snapshot.copy(STEP_UPS).toArray()) as Buffer[]);
    await snapshot.close();
    expect(rows.toString('utf8').trimEnd().split('\n')).toHaveLength(2);
  });
});

describe('exports beside many writers', () => {
  it('are each whole, whatever is committed meanwhile', async () => {
    const app = createApp(deps);
    const officers = [await seedOfficer(), await seedOfficer()];
    const now = new Date();
    const yesterday = new Date(now.getTime() - 86_400_000);
    let writes = true;
    const write = async ({ tenantId }: { tenantId: string }) => {
      while (writes) {
        await writeEvents(tenantId, [{ occurredAt: new Date() }, { occurredAt: yesterday }]);
        await pause(5);
      }
    };
    const writers = officers.map(write);
    const day = now.toISOString().slice(0, 10);
    try {
      for (let round = 0; round < 2; round += 1) {
        await Promise.all(
          officers.map(async (officer) => {
            const range = { from: day, to: day, format: 'json' };
            expectWholeStretch(await downloadEvidence(app, officer, range));
          }),
        );
      }
    } finally {
      writes = false;
      await Promise.all(writers);
    }
  });
});

import { forceLogout } from '@/server/tenants';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { asc, eq, sql } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { loadConfig, requireReady } from '@/server/config';
import { db } from '@/server/db';
import { auditLogs, stepUpChallenges } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { AppError } from '@/server/errors';
import { giveProofBack } from '@/server/security';
import { closeLater } from '@/tests/helpers/server/closing';
import { listen } from '@/tests/helpers/http/listen';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import { buildApp } from '@/tests/helpers/server/testApp';

const range = { from: '2026-01-01', to: '2026-01-31', format: 'csv' };
const BUNDLE = '/api/compliance/export/bundle';
const ROUTES = [BUNDLE, '/api/compliance/export/security-events'];

const busy = () => Promise.reject(new AppError('AUDIT_LOG_BUSY'));

/** Opens a node whose sealer the test controls. */
function openNode(databaseUrl = requireReady(loadConfig()).databaseUrl) {
  const { app, deps } = buildApp({ databaseUrl });
  const { sealNow } = deps.sealer;
  const seals = (by: Deps['sealer']['sealNow']) => void (deps.sealer.sealNow = by);
  return { app, deps, seals, sealsAgain: () => seals(sealNow) };
}

const post = (app: Express, path: string, { token }: SeededAuth, body: object) =>
  request(app).post(path).set('authorization', `Bearer ${token}`).send(body);

/** Creates a person who has given the proof for this export. */
async function seedProven(app: Express, path: string): Promise<SeededAuth> {
  const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
  const secret = await giveFactor(seeded);
  await post(app, path, seeded, range).expect(428);
  const proof = { code: codeAt(secret, new Date()), purpose: 'data_export' };
  await post(app, '/api/security/step-up/verify', seeded, proof).expect(200);
  return seeded;
}

const statusOf = async (app: Express, path: string, who: SeededAuth) =>
  (await post(app, path, who, range)).status;

async function exportEvents({ tenantId }: SeededAuth) {
  const rows = await db
    .select()
    .from(auditLogs)
    .where(eq(auditLogs.tenantId, tenantId))
    .orderBy(asc(auditLogs.occurredAt), asc(auditLogs.id));
  return rows
    .filter(({ action }) => action.startsWith('DATA_EXPORT_'))
    .map(({ action, details }) => [
      action.slice('DATA_EXPORT_'.length),
      ...(details['reason'] === undefined ? [] : [details['reason'], details['proofGivenBack']]),
    ]);
}

const proofOf = async ({ sessionId }: SeededAuth) => {
  const rows = await db
    .select()
    .from(stepUpChallenges)
    .where(eq(stepUpChallenges.sessionId, sessionId));
  return rows.find(({ verifiedAt }) => verifiedAt !== null);
};

describe.each(ROUTES)('%s: the proof', (path) => {
  it('is not used up by a busy log: the same proof exports once, when the log is sealed again', async () => {
    const { app, seals, sealsAgain } = openNode();
    const who = await seedProven(app, path);
    seals(busy);
    for (let count = 0; count < 2; count += 1) {
      const refused = await post(app, path, who, range);
      expect([refused.status, refused.body.error]).toEqual([503, 'AUDIT_LOG_BUSY']);
    }
    sealsAgain();
    expect(await statusOf(app, path, who)).toBe(200);
    expect(await statusOf(app, path, who)).toBe(428);
    expect(await exportEvents(who)).toEqual([
      ['REQUESTED'],
      ['FAILED', 'audit_log_busy', true],
      ['REQUESTED'],
      ['FAILED', 'audit_log_busy', true],
      ['REQUESTED'],
      ['COMPLETED'],
    ]);
  });

  it('lets one of many exports through that come at once, some of them while the log is busy', async () => {
    const { app, seals, sealsAgain } = openNode();
    const who = await seedProven(app, path);
    seals(busy);
    const answers = Array.from({ length: 3 }, () => statusOf(app, path, who));
    await Promise.race(answers);
    sealsAgain();
    answers.push(...Array.from({ length: 4 }, () => statusOf(app, path, who)));
    const all = await Promise.all(answers);
    expect(all.filter((status) => status === 200).length).toBeLessThanOrEqual(1);
    expect(all.every((status) => [200, 428, 503].includes(status))).toBe(true);
    const ends = await exportEvents(who);
    const completed = ends.filter(([what]) => what === 'COMPLETED').length;
    // A completed export used the proof up. Otherwise the proof is still valid for one more.
    expect(completed + ((await statusOf(app, path, who)) === 200 ? 1 : 0)).toBe(1);
  });
});

describe('the proof of an export', () => {
  it('is given back where the database lacks a table, and the export says so before its first byte', async () => {
    const { app } = openNode();
    const who = await seedProven(app, BUNDLE);
    await db.execute(sql`ALTER TABLE risk_decisions RENAME TO risk_decisions_gone`);
    try {
      expect(await statusOf(app, BUNDLE, who)).toBe(503);
    } finally {
      await db.execute(sql`ALTER TABLE risk_decisions_gone RENAME TO risk_decisions`);
    }
    expect(await statusOf(app, BUNDLE, who)).toBe(200);
  });

  it('is given back, and the failure recorded, when a database that went away is there again', async () => {
    const proxy = await startTcpProxy(process.env['DATABASE_URL'] ?? '');
    closeLater(() => proxy.close());
    const { app, seals, sealsAgain } = openNode(proxy.url);
    const who = await seedProven(app, BUNDLE);
    seals(() => {
      proxy.set('refuse');
      return busy();
    });
    expect(await statusOf(app, BUNDLE, who)).toBe(503);
    expect(await exportEvents(who)).toEqual([['REQUESTED']]);
    proxy.set('forward');
    sealsAgain();
    const ends = await pollUntil(
      'the end',
      () => exportEvents(who),
      (all) => all.length > 1,
    );
    expect(ends).toEqual([['REQUESTED'], ['FAILED', 'audit_log_busy', true]]);
    expect(await statusOf(app, BUNDLE, who)).toBe(200);
    expect(await statusOf(app, BUNDLE, who)).toBe(428);
  });

  it('is used up by a client that hangs up after the first byte', async () => {
    const { app } = openNode();
    const who = await seedProven(app, BUNDLE);
    const url = await listen(app);
    const req = httpRequest(`${url}${BUNDLE}`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${who.token}`, 'content-type': 'application/json' },
    });
    req.end(JSON.stringify(range));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    res.on('error', () => undefined);
    expect(res.statusCode).toBe(200);
    res.destroy();
    // A small export may have completed before the server noticed.
    const ends = await pollUntil(
      'the end',
      () => exportEvents(who),
      (all) => all.length > 1,
    );
    expect(ends.flat()).not.toContain(true);
    expect(await statusOf(app, BUNDLE, who)).toBe(428);
  });

  it('is not given back to somebody whose sessions were ended meanwhile', async () => {
    const { app, deps, seals } = openNode();
    const who = await seedProven(app, BUNDLE);
    seals(async () => {
      await forceLogout(deps, operatorContext, who.tenantId, who.staffId);
      return busy();
    });
    expect(await statusOf(app, BUNDLE, who)).toBe(503);
    expect(await exportEvents(who)).toEqual([
      ['REQUESTED'],
      ['FAILED', 'audit_log_busy', undefined],
    ]);
    expect((await proofOf(who))?.consumedAt).not.toBeNull();
  });

  it('is given back once: what another act has used since stays used', async () => {
    const { app, seals, sealsAgain } = openNode();
    const who = await seedProven(app, BUNDLE);
    let first: { id: string; at: Date } | undefined;
    seals(async () => {
      const proof = await proofOf(who);
      if (proof?.consumedAt) first = { id: proof.id, at: proof.consumedAt };
      return busy();
    });
    expect(await statusOf(app, BUNDLE, who)).toBe(503);
    sealsAgain();
    expect(await statusOf(app, BUNDLE, who)).toBe(200);
    const spent = first ?? { id: '', at: new Date() };
    expect(await db.transaction((tx) => giveProofBack(tx, who.tenantId, spent))).toBe(false);
    expect(await statusOf(app, BUNDLE, who)).toBe(428);
  });
});

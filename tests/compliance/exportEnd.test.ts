import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { eq } from 'drizzle-orm';
import { holdBackEnd } from '@/server/compliance/holdBackEnd';
import { runExport } from '@/server/compliance/runExport';
import type { ExportPlan } from '@/server/compliance/exportPlan';
import { STEP_UPS } from '@/server/compliance/stateFileStore';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';

describe('the last piece of an export', () => {
  const taken = async (seal: (bytes: number) => Promise<void>) => {
    const pieces: string[] = [];
    const output = new Writable({
      write(chunk: Buffer, _encoding, done) {
        pieces.push(chunk.toString());
        done();
      },
    });
    const failure = await pipeline(
      Readable.from(['one', 'two', 'end'].map((piece) => Buffer.from(piece))),
      holdBackEnd(output, seal),
      output,
    ).catch((error: unknown) => error);
    return { pieces, failure };
  };

  it('is held back until the rest was taken and the end recorded', async () => {
    let before: number | undefined;
    const { pieces } = await taken(async (bytes) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      before = bytes;
    });
    expect([before, ...pieces]).toEqual([9, 'one', 'two', 'end']);
  });

  it('never leaves where the end cannot be recorded', async () => {
    const refused = new Error('refused');
    const { pieces, failure } = await taken(() => Promise.reject(refused));
    expect([pieces, failure]).toEqual([['one', 'two'], refused]);
  });
});

it('an export that was recorded as completed is not recorded as failed as well', async () => {
  const { deps } = buildApp();
  const { tenantId, userId, staffId, sessionId, email } = await seedOfficer();
  const who = { tenantId, userId, staffId, sessionId, sid: sessionId, sessionVersion: 1, email };
  const principal = {
    ...who,
    name: null,
    roles: [],
    permissions: [],
    tenant: { slug: 'slug', name: 'name' },
    ownProof: true,
  };
  const plan: ExportPlan = {
    kind: 'bundle',
    files: [STEP_UPS],
    headers: () => ({ contentType: 'application/zip', filename: 'x.zip' }),
    prepare: () =>
      Promise.resolve(async ({ firstRows, seal }) => {
        firstRows.resume();
        await seal({ files: [], bytes: 1 });
        throw new Error('the reader left before the last piece');
      }),
  };
  const output = new PassThrough();
  const input = { from: '2026-01-01', to: '2026-01-02', format: 'csv' as const };
  const sink = { begin: () => output };
  await runExport(
    deps,
    operatorContext,
    {
      principal,
      passage: { by: 'test_bypass' as const, gate: { purpose: 'data_export' as const } },
    },
    input,
    sink,
    plan,
  );
  expect(output.destroyed).toBe(true);
  const events = await db.select().from(auditLogs).where(eq(auditLogs.tenantId, tenantId));
  expect(events.map(({ action }) => action).sort()).toEqual([
    'DATA_EXPORT_COMPLETED',
    'DATA_EXPORT_REQUESTED',
  ]);
});

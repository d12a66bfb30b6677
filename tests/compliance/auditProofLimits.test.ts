import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { loadConfig, requireReady } from '@/server/config';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { createAuditor } from '@/tests/helpers/evidence/auditProofs';
import type { Proof } from '@/tests/helpers/evidence/auditProofs';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { treeHash } from '@/tests/helpers/evidence/referenceTree';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { AUDIT_TRIGGERS_OFF, AUDIT_TRIGGERS_ON } from '@/tests/helpers/database/auditTriggers';

const { lines, logger } = memoryLog();
const node = buildApp({}, { logger });
const { deps } = node;
const { compliance, read, proofOf, expectProven, seedLog } = createAuditor(node);
const url = () => process.env['DATABASE_URL'] ?? '';

describe('a tenant of whom nothing is sealed', () => {
  it('has no checkpoint, no proof and an empty tree, and is told so', async () => {
    const officer = await seedOfficer();
    await deps.sealer.sealNow();
    expect(await read(officer, 'checkpoints')).toEqual({ checkpoints: [], nextCursor: null });
    for (const path of ['checkpoints/latest', 'consistency?from=0']) {
      const res = await compliance(officer, path);
      expectRefusal(res, [404]);
      expect(res.body.error).toBe('CHECKPOINT_NOT_FOUND');
    }
    const nothing = treeHash([]).toString('base64');
    expect(await read(officer, 'consistency?from=0&to=0')).toEqual({
      ...{ from: 0, to: 0, fromRoot: nothing, toRoot: nothing, hashes: [] },
    });
    expectRefusal(await compliance(officer, 'consistency?from=0&to=1'), [400]);
    expect((await read<{ keys: object[] }>(officer, 'keys')).keys.length).toBeGreaterThan(0);
  });

  it('is told of an event that is not sealed yet when to come back, and has its proof then', async () => {
    const officer = await seedOfficer();
    const [id] = await writeEvents(officer.tenantId, [{}]);
    for (const query of ['', '?size=1']) {
      const early = await compliance(officer, `audit-logs/${id}/proof${query}`);
      expectRefusal(early, [409]);
      expect(early.body.error).toBe('EVENT_NOT_SEALED');
      expect(Number(early.headers['retry-after'])).toBeGreaterThan(0);
    }
    await deps.sealer.sealNow();
    await expectProven(officer, await proofOf(officer, id!));
  });
});

describe('keys', () => {
  it("are today's, the retired ones that the settings name, and, not to be trusted, those that only the database keeps", async () => {
    const officer = await seedOfficer();
    const pem = () =>
      generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const [retired, kept] = [pem(), pem()];
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const settings = requireReady(loadConfig());
    const other = buildApp({
      secrets: { ...settings.secrets, evidenceRetiredKeys: [retired] },
    });
    for (const [name, text] of [
      ['0123456789abcdef', kept],
      ['spoiled', 'no key at all'],
      ['another kind', ec.export({ format: 'pem', type: 'spki' }).toString()],
    ]) {
      await ask(url(), 'INSERT INTO evidence_keys (key_id, public_key) VALUES ($1, $2)', [
        name,
        text,
      ]);
    }
    await other.deps.sealer.sealNow();
    const { body } = await as(other.app, officer).get('/api/compliance/keys').expect(200);
    const idOf = (text: string) =>
      createHash('sha256')
        .update(createPublicKey(text).export({ format: 'der', type: 'spki' }))
        .digest('hex')
        .slice(0, 16);
    const origin = `gatehouse/${officer.tenantId}`;
    const current = other.deps.keys.evidence.publicPem;
    const vkey = expect.stringContaining(`${origin}+`);
    const used = expect.stringMatching(/Z$/);
    expect(body).toStrictEqual({
      origin,
      keys: [
        {
          keyId: idOf(current),
          vkey,
          pem: current,
          state: 'current',
          trusted: true,
          firstUsedAt: used,
        },
        {
          keyId: idOf(retired),
          vkey,
          pem: retired,
          state: 'retired',
          trusted: true,
          firstUsedAt: null,
        },
        { keyId: idOf(kept), vkey, pem: kept, state: 'kept', trusted: false, firstUsedAt: used },
      ],
    });
  });
});

describe('what somebody changed in the database', () => {
  const tamper = (statement: string, values: unknown[]) =>
    withConnection(url(), async (client) => {
      await client.query(AUDIT_TRIGGERS_OFF);
      await client.query(statement, values);
      await client.query(AUDIT_TRIGGERS_ON);
    });
  const expectBroken = async (officer: SeededAuth, path: string) => {
    const res = await compliance(officer, path);
    expectRefusal(res, [500]);
    expect(res.body.error).toBe('AUDIT_LOG_BROKEN');
  };

  it('is not proven: an event, its time of sealing, its place', async () => {
    const { officer, ids } = await seedLog(5);
    const path = `audit-logs/${ids[2]}/proof`;
    const id = [ids[2]];
    await tamper(`UPDATE audit_logs SET actor = 'eve' WHERE id = $1`, id);
    await expectBroken(officer, path);
    // The caller only learns that something is wrong. The log names the event.
    expect(JSON.stringify(lines)).toContain(
      `event ${ids[2]} differs from the event that was sealed`,
    );
    await tamper(`UPDATE audit_logs SET actor = 'Zoë "✓"' WHERE id = $1`, id);
    await expectProven(officer, await read<Proof>(officer, path));
    await tamper(
      `UPDATE audit_leaves SET sealed_at = sealed_at - interval '1 day' WHERE event_id = $1`,
      id,
    );
    await expectBroken(officer, path);
  });

  it('is not proven: an event changed together with its leaf', async () => {
    const { officer, ids } = await seedLog(5);
    const path = `audit-logs/${ids[2]}/proof`;
    const { event } = await read<Proof>(officer, path);
    const forged = event.replace('Zoë', 'Eve');
    const leaf = createHash('sha256').update('\0').update(forged).digest();
    await tamper(`UPDATE audit_logs SET actor = 'Eve "✓"' WHERE id = $1`, [ids[2]]);
    await tamper('UPDATE audit_leaves SET leaf_hash = $2 WHERE event_id = $1', [ids[2], leaf]);
    await expectBroken(officer, path);
    await expectBroken(officer, 'consistency?from=3');
    await expectBroken(officer, 'consistency?from=5&to=5');
  });
});

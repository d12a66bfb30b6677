import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { ask } from '@/tests/helpers/database/askDatabase';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { buildApp } from '@/tests/helpers/server/testApp';
import { withoutAuditTriggers } from '@/tests/helpers/database/auditTriggers';

const log = memoryLog();
const { deps } = buildApp({}, { logger: log.logger });
const { sealer, config } = deps;
const url = thisDatabase();

const add = (tenantId: string, count = 3) =>
  ask(
    url,
    `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
     SELECT $1, 'AUTH_LOGOUT', 'success', 'system', 'c' FROM generate_series(1, $2::int)`,
    [tenantId, count],
  );
/** Runs statements as an owner can, whom no trigger stops. */
const force = (text: string) => ask(url, withoutAuditTriggers(text));
const told = async () =>
  (
    await ask<{ details: object }>(
      url,
      `SELECT details FROM audit_logs WHERE action = 'AUDIT_LOG_REWRITTEN' ORDER BY id`,
    )
  ).map(({ details }) => details);

const newKey = () =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

async function begin(): Promise<string> {
  const tenant = randomUUID();
  await add(tenant);
  await sealer.sealNow();
  return tenant;
}

/** Adds one more event, and has a sealer seal it. */
async function goOn(tenant: string, by = sealer): Promise<object[]> {
  const before = (await told()).length;
  await add(tenant, 1);
  await by.sealNow();
  return (await told()).slice(before);
}

describe('a log that was rewritten without the key', () => {
  it.each([
    ['its tree is another', "UPDATE audit_trees SET peaks = sha256('x') || sha256('y')"],
    [
      'its tree and the hash beside the checkpoint are others',
      `UPDATE audit_trees SET peaks = sha256('x') || sha256('y');
       UPDATE audit_checkpoints SET root_hash = sha256('z')`,
    ],
    ['its checkpoint is gone', 'DELETE FROM audit_checkpoints'],
    [
      'its checkpoint is gone, and nothing seems signed',
      'UPDATE audit_trees SET checkpoint_size = 0; DELETE FROM audit_checkpoints',
    ],
    [
      'its checkpoint is signed by another key',
      `UPDATE audit_checkpoints SET note = regexp_replace(note, '[A-Za-z0-9+/]{80}=*\\n$', repeat('A', 90) || '=' || chr(10))`,
    ],
  ])('is told of before it grows, where %s', async (_what, attack) => {
    const tenant = await begin();
    await force(
      attack.replaceAll(/(UPDATE \w+ SET [^;]*|DELETE FROM \w+)/g, `$1 WHERE log_id = '${tenant}'`),
    );
    expect(await goOn(tenant)).toEqual([{ logId: tenant, size: 3 }]);
    expect(log.lines.at(-1)?.msg).toContain('a log does not match its signed checkpoint');
    // Reported once: later signatures are about the rows that exist then.
    expect(await goOn(tenant)).toEqual([]);
  });
});

describe('a log that is as it was signed', () => {
  it('is told of by nobody: neither who signed it, nor another node, nor one with a key that came after', async () => {
    const tenant = await begin();
    expect(await goOn(tenant)).toEqual([]);
    expect(await goOn(tenant, buildApp().deps.sealer)).toEqual([]);
    expect(await goOn(tenant)).toEqual([]);
  });

  it('is none for a node that does not believe the key: EVIDENCE_RETIRED_KEYS has to name it', async () => {
    const tenant = await begin();
    const other = buildApp({ secrets: { ...config.secrets, evidenceSigningKey: newKey() } }).deps;
    expect(await goOn(tenant, other.sealer)).toEqual([{ logId: tenant, size: 3 }]);
  });

  it('may be in the middle of a backlog', async () => {
    const tenant = await begin();
    await add(tenant, 4500);
    const before = await told();
    await sealer.sealNow();
    await add(tenant, 9000);
    await sealer.sealNow();
    expect(await told()).toEqual(before);
  });
});

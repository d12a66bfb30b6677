import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { auditTrees } from '@/server/db/schema';
import { thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import {
  expectSoundLog,
  isSignedBy,
  readCheckpoints,
  readLeaves,
} from '@/tests/helpers/evidence/sealedLeaves';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { buildApp } from '@/tests/helpers/server/testApp';
import { withoutAuditTriggers } from '@/tests/helpers/database/auditTriggers';

const node = buildApp();
const { sealer, keys } = node.deps;
const key = keys.evidence.publicPem;
const url = thisDatabase();
const believed = [key];
const sound = () => expectSoundLog(...believed);

/** Writes many events in one statement. */
const write = (count: number, tenantId: string | null = randomUUID(), actor = 'system') =>
  sql`INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id, details)
    SELECT ${tenantId}::uuid, 'AUTH_TOKEN_REFRESH', 'success', ${actor}, 'c' || g, jsonb_build_object('z', g, 'a', 'é"\\ 😀')
    FROM generate_series(1, ${count}::int) g`;
const insertText = (tenantId: string, count: number) =>
  `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
   SELECT '${tenantId}', 'AUTH_TOKEN_REFRESH', 'success', 'system', 'c' FROM generate_series(1, ${count})`;
/** Runs statements as an owner can, whom no trigger stops. */
const force = (text: string) => ask(url, withoutAuditTriggers(text));
const add = (...args: Parameters<typeof write>) => db.execute(write(...args));
const sizeOf = async (logId: string) => {
  const trees = await db.select().from(auditTrees);
  return trees.find((tree) => tree.logId === logId)?.size;
};

beforeEach(() => sealer.sealNow());

describe('sealing', () => {
  it('gives each event one place in the tree of its tenant, and those of no tenant one in a tree of their own', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    for (const [count, tenant] of [
      [3, one],
      [300, two],
      [1, null],
      [5, one],
    ] as const) {
      await add(count, tenant);
    }
    await sealer.sealNow();
    await sound();
    expect([await sizeOf(one), await sizeOf(two)]).toEqual([8, 300]);
    const none = (await readLeaves()).filter(({ tenantId }) => tenantId === null);
    expect(new Set(none.map(({ logId }) => logId)).size).toBe(1);
    // Its name must differ from that of any other database.
    expect(none[0]?.logId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(none[0]?.logId).not.toMatch(/^0{8}/);
  });

  it('signs a head of each log that has grown, and of no other', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    await add(2, one);
    await add(2, two);
    await sealer.sealNow();
    await add(1, one);
    await sealer.sealNow();
    const of = (logId: string, all: Awaited<ReturnType<typeof readCheckpoints>>) =>
      all.filter((head) => head.logId === logId).map(({ size }) => size);
    const heads = await readCheckpoints();
    expect([of(one, heads), of(two, heads)]).toEqual([[2, 3], [2]]);
  });

  it('writes nothing where nothing has happened', async () => {
    const state = () =>
      db.execute(
        sql`SELECT xmin, xmax, ctid FROM audit_sealer UNION ALL SELECT xmin, xmax, ctid FROM audit_trees`,
      );
    const before = (await state()).rows;
    for (let pass = 0; pass < 5; pass += 1) await sealer.sealNow();
    expect((await state()).rows).toEqual(before);
  });

  it('takes more events than fit into one transaction, in several', async () => {
    const tenant = randomUUID();
    await add(9001, tenant);
    await sealer.sealNow();
    expect(await sizeOf(tenant)).toBe(9001);
    await sound();
    expect((await readCheckpoints()).filter(({ logId }) => logId === tenant)).toHaveLength(1);
  });

  it('keeps the order in which transactions began, and within one that of their events', async () => {
    const tenant = randomUUID();
    await add(50, tenant, 'first');
    await add(50, tenant, 'second');
    await sealer.sealNow();
    const { rows } = await db.execute<{ actor: string }>(
      sql`SELECT e.actor FROM audit_leaves l JOIN audit_logs e ON e.id = l.event_id
          WHERE l.log_id = ${tenant} ORDER BY l.leaf_index`,
    );
    expect(rows.map(({ actor }) => actor).join(' ')).toMatch(/^(first ?){50}(second ?){50}$/);
  });

  it('hashes what is hard to write as JSON the way RFC 8785 does', async () => {
    const details = {
      b: [1, -0.5, 1e21, null, true],
      '\u20ac': '\u0001\u2028"\\',
      é: {},
      '😀': 'ﬀ',
    };
    await db.execute(sql`INSERT INTO audit_logs (action, outcome, actor, subject, user_agent, correlation_id, country, details)
      VALUES ('AUTH_LOGOUT', 'success', ${'tab\tand "quotes"'}, ${'line\nbreak'}, ${'emoji 🔐'}, 'c', 'GB', ${JSON.stringify(details)}::jsonb)`);
    await sealer.sealNow();
    await sound();
  });
});

describe('a transaction that stays open', () => {
  it('keeps no other event from being sealed, and loses none of its own', async () => {
    const [early, late] = [randomUUID(), randomUUID()];
    let halfway!: () => void;
    let finish!: () => void;
    const reached = new Promise<void>((resolve) => (halfway = resolve));
    const allowed = new Promise<void>((resolve) => (finish = resolve));
    const slow = db.transaction(async (tx) => {
      await tx.execute(write(3, late));
      await tx.transaction((inner) => inner.execute(write(2, late)));
      await tx
        .transaction((inner) => inner.execute(write(9, late)).then(() => inner.rollback()))
        .catch(() => undefined);
      halfway();
      await allowed;
      await tx.execute(write(4, late));
    });
    await reached;
    for (let pass = 0; pass < 3; pass += 1) {
      await add(7, early);
      await sealer.sealNow();
    }
    expect([await sizeOf(early), await sizeOf(late)]).toEqual([21, undefined]);
    finish();
    await slow;
    await sealer.sealNow();
    expect([await sizeOf(early), await sizeOf(late)]).toEqual([21, 9]);
    await sound();
  });

  it('is not forgotten while a backlog of several transactions is worked off', async () => {
    const [early, late] = [randomUUID(), randomUUID()];
    await withConnection(url, async (client) => {
      await client.query('BEGIN');
      await client.query(insertText(late, 4500));
      await add(4500, early);
      await sealer.sealNow();
      await add(4500, early);
      await client.query('COMMIT');
    });
    await sealer.sealNow();
    expect([await sizeOf(early), await sizeOf(late)]).toEqual([9000, 4500]);
    await sound();
  });
});

describe('a transaction that writes after others that began later', () => {
  it('loses nothing where its events and theirs are sealed in pieces', async () => {
    const [early, late] = [randomUUID(), randomUUID()];
    await withConnection(url, async (client) => {
      await client.query('BEGIN');
      await client.query(insertText(early, 1));
      await add(4500, late);
      await client.query(insertText(early, 4500));
      await client.query('COMMIT');
    });
    await sealer.sealNow();
    expect([await sizeOf(early), await sizeOf(late)]).toEqual([4501, 4500]);
  });
});

describe('several sealers and many writers', () => {
  it('give each event one place', async () => {
    const others = [buildApp(), buildApp()].map(({ deps }) => deps.sealer);
    const tenants = [randomUUID(), randomUUID(), null];
    const writers = Array.from({ length: 6 }, async (_, at) => {
      for (let turn = 0; turn < 15; turn += 1) await add(1 + ((at * turn) % 40), tenants[at % 3]);
    });
    let writing = true;
    const sealing = [sealer, ...others].map(async (one) => {
      while (writing) await one.sealNow();
      await one.sealNow();
    });
    await Promise.all(writers);
    writing = false;
    await Promise.all(sealing);
    await sound();
  });
});

describe('an event', () => {
  it('cannot be hidden from the sealer by the number of its transaction', async () => {
    const tenant = randomUUID();
    await db.execute(sql`INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id, transaction_id)
      VALUES (${tenant}, 'AUTH_LOGOUT', 'success', 'system', 'c', '3')`);
    await sealer.sealNow();
    expect(await sizeOf(tenant)).toBe(1);
  });

  it('tells when it was written, not when its transaction began', async () => {
    const tenant = randomUUID();
    await db.transaction(async (tx) => {
      await tx.execute(write(1, tenant));
      await tx.execute(sql`SELECT pg_sleep(0.02)`);
      await tx.execute(write(1, tenant));
    });
    const { rows } = await db.execute<{ times: string }>(
      sql`SELECT count(DISTINCT occurred_at) AS times FROM audit_logs WHERE tenant_id = ${tenant}`,
    );
    expect(Number(rows[0]?.times)).toBe(2);
  });
});

describe('the keys', () => {
  it('may be changed: what was signed before stays as it is, and both public halves are kept', async () => {
    const tenant = randomUUID();
    await add(1, tenant);
    await sealer.sealNow();
    const fresh = generateKeyPairSync('ed25519').privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    });
    const { secrets } = node.deps.config;
    const evidenceRetiredKeys = [key];
    const changed = { ...secrets, evidenceSigningKey: fresh.toString(), evidenceRetiredKeys };
    const other = buildApp({ secrets: changed }).deps;
    await add(1, tenant);
    await other.sealer.sealNow();
    const heads = (await readCheckpoints()).filter(({ logId }) => logId === tenant);
    const { publicPem } = other.keys.evidence;
    believed.push(publicPem);
    expect(heads.map((head) => [isSignedBy(head, key), isSignedBy(head, publicPem)])).toEqual([
      [true, false],
      [false, true],
    ]);
    const { rows } = await db.execute<{ public_key: string }>(
      sql`SELECT public_key FROM evidence_keys`,
    );
    expect(rows.map((row) => row.public_key).sort()).toEqual([key, publicPem].sort());
  });
});

describe('a log that became shorter', () => {
  it('is told of, loudly and in the log itself, and goes on', async () => {
    const log = memoryLog();
    const { deps } = buildApp({}, { logger: log.logger });
    const tenant = randomUUID();
    await add(5, tenant);
    await deps.sealer.sealNow();
    const lost = (await readCheckpoints()).at(-1);
    await force(`DELETE FROM audit_checkpoints WHERE id = ${lost?.id}`);
    await deps.sealer.sealNow();
    const { rows } = await db.execute<{ details: object }>(
      sql`SELECT details FROM audit_logs WHERE action = 'AUDIT_LOG_ROLLED_BACK'`,
    );
    expect(rows).toEqual([
      { details: { known: { checkpoint: lost?.id, note: lost?.note }, by: 'sealer' } },
    ]);
    expect(log.lines.map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining('lacks a checkpoint that was signed'),
    );
    expect(await deps.metrics.registry.metrics()).toContain('gatehouse_audit_rolled_back_total 1');
    await add(1, tenant);
    await deps.sealer.sealNow();
    expect(await sizeOf(tenant)).toBe(6);
  });
});

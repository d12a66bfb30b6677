import { createHash, createPublicKey, verify } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { canonicalJson } from '@/server/audit';
import { db } from '@/server/db';

const sha256 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/**
 * Implements RFC 6962 2.1 literally, without any code of the server. `known` only avoids hashing a
 * range twice.
 */
export function merkleTreeHash(
  leaves: readonly Buffer[],
  start = 0,
  end = leaves.length,
  known = new Map<string, Buffer>(),
): Buffer {
  if (end === start) return sha256('');
  if (end - start === 1) return leaves[start] as Buffer;
  const range = `${start}-${end}`;
  const before = known.get(range);
  if (before) return before;
  let k = 1;
  while (k * 2 < end - start) k *= 2;
  const left = merkleTreeHash(leaves, start, start + k, known);
  const root = sha256('\x01', left, merkleTreeHash(leaves, start + k, end, known));
  known.set(range, root);
  return root;
}

interface Sealed {
  logId: string;
  index: number;
  eventId: string;
  tenantId: string | null;
  sealedAt: string;
  leafHash: Buffer;
}

const iso = (column: string) => sql.raw(`to_json(${column} AT TIME ZONE 'UTC')#>>'{}'`);

/** Returns each leaf with its event, in order. @throws Error if a hash is not that of its event */
export async function readLeaves(): Promise<Sealed[]> {
  const { rows } = await db.execute<Record<string, unknown>>(sql`
    SELECT l.log_id, l.leaf_index, l.leaf_hash, ${iso('l.sealed_at')} AS sealed_at,
      to_jsonb(e) - 'transaction_id' - 'occurred_at' AS event, ${iso('e.occurred_at')} AS occurred_at
    FROM audit_leaves l JOIN audit_logs e ON e.id = l.event_id ORDER BY l.log_id, l.leaf_index`);
  return rows.map((row) => {
    const [logId, index, leafHash] = [
      String(row['log_id']),
      Number(row['leaf_index']),
      row['leaf_hash'] as Buffer,
    ];
    const event = row['event'] as Record<string, string | null>;
    const at = (name: string) => new Date(`${String(row[name])}Z`).toISOString();
    const sealedAt = at('sealed_at');
    const entry = canonicalJson({
      ...event,
      occurred_at: at('occurred_at'),
      sealed_at: sealedAt,
      leaf_index: index,
    });
    if (!leafHash.equals(sha256('\x00', entry)))
      throw new Error(`the leaf hash is not that of ${entry}`);
    return {
      ...{ logId, index, leafHash, sealedAt },
      eventId: String(event['id']),
      tenantId: event['tenant_id'] ?? null,
    };
  });
}

export interface SignedHead {
  id: number;
  logId: string;
  size: number;
  root: Buffer;
  note: string;
}

export async function readCheckpoints(): Promise<SignedHead[]> {
  const { rows } = await db.execute<Record<string, unknown>>(
    sql`SELECT id, log_id, size, root_hash, note FROM audit_checkpoints ORDER BY id`,
  );
  return rows.map((row) => ({
    id: Number(row['id']),
    logId: String(row['log_id']),
    size: Number(row['size']),
    root: row['root_hash'] as Buffer,
    note: String(row['note']),
  }));
}

/**
 * Returns whether a note has the right text and is signed by a public key. Written from the text of
 * C2SP signed-note and tlog-checkpoint.
 */
export function isSignedBy(head: SignedHead, publicPem: string): boolean {
  const origin = `gatehouse/${head.logId}`;
  const text = `${origin}\n${head.size}\n${head.root.toString('base64')}\n`;
  const [, line = ''] = head.note.split(`${text}\n— ${origin} `);
  const [keyId, signature] = [
    Buffer.from(line, 'base64').subarray(0, 4),
    Buffer.from(line, 'base64').subarray(4),
  ];
  const key = createPublicKey(publicPem);
  const raw = key.export({ format: 'der', type: 'spki' }).subarray(-32);
  const named = sha256(`${origin}\n`, '\x01', raw).subarray(0, 4);
  return named.equals(keyId) && verify(null, Buffer.from(text), key, signature);
}

/**
 * Checks everything that holds for a sound log: each event has one leaf in its own tenant's log,
 * without gaps; each checkpoint matches the tree of its time; the newest one covers all leaves.
 * @returns how many events there are
 */
export async function expectSoundLog(...publicPems: string[]): Promise<number> {
  const leaves = await readLeaves();
  const { rows } = await db.execute<{ id: string }>(sql`SELECT id FROM audit_logs`);
  expect(leaves.map(({ eventId }) => eventId).sort()).toEqual(rows.map(({ id }) => id).sort());
  const logs = new Map<string, Sealed[]>();
  for (const leaf of leaves) {
    const own = logs.get(leaf.logId);
    if (own) own.push(leaf);
    else logs.set(leaf.logId, [leaf]);
  }
  const heads = await readCheckpoints();
  for (const [logId, own] of logs) {
    expect(own.map(({ index }) => index)).toEqual(own.map((_, at) => at));
    expect(new Set(own.map(({ tenantId }) => tenantId)).size).toBe(1);
    if (own[0]?.tenantId !== null) expect(own[0]?.tenantId).toBe(logId);
    const hashes = own.map(({ leafHash }) => leafHash);
    const known = new Map<string, Buffer>();
    const signed = heads.filter((head) => head.logId === logId);
    expect(Math.max(...signed.map(({ size }) => size))).toBe(own.length);
    for (const head of signed) {
      const root = merkleTreeHash(hashes, 0, head.size, known);
      expect(head.root.toString('hex')).toBe(root.toString('hex'));
      expect(publicPems.some((publicPem) => isSignedBy(head, publicPem))).toBe(true);
    }
  }
  return rows.length;
}

import { createHash } from 'node:crypto';
import { app } from '@/server/app';
import { canonicalJson } from '@/server/audit';
import type { Json } from '@/tlog/canonicalJson';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import {
  downloadEvidence,
  isNoteSignedBy,
  utcToday,
} from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { consistencyPath, treeHash } from '@/tests/helpers/evidence/referenceTree';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const sha256 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

interface Leaves {
  size: number;
  rootHash: string;
  first: number;
  last: number;
  before: string[];
  after: string[];
}

interface Growth {
  size: number;
  from: {
    exportId: string;
    size: number;
    rootHash: string;
    checkpoint: string;
    hashes: string[];
  }[];
}

/**
 * Joins subtrees from the left, equal ones at once, and then the rest from the right, as
 * docs/evidence.md instructs an auditor.
 */
function joinTree(leaves: Leaves, hashes: readonly Buffer[]): Buffer {
  const peaks: { leaves: number; hash: Buffer }[] = [];
  let at = 0;
  const add = (count: number, hash: Buffer) => {
    at += count;
    let peak = { leaves: count, hash };
    for (let top = peaks.at(-1); top?.leaves === peak.leaves; top = peaks.at(-1)) {
      peaks.pop();
      peak = { leaves: top.leaves * 2, hash: sha256('\x01', top.hash, peak.hash) };
    }
    peaks.push(peak);
  };
  const addAll = (roots: readonly string[], end: number) => {
    for (const root of roots) {
      let count = 1;
      while (at % (count * 2) === 0 && at + count * 2 <= end) count *= 2;
      add(count, Buffer.from(root, 'base64'));
    }
  };
  addAll(leaves.before, leaves.first);
  for (const hash of hashes) add(1, hash);
  addAll(leaves.after, leaves.size);
  expect(at).toBe(leaves.size);
  return peaks.map(({ hash }) => hash).reduceRight((right, left) => sha256('\x01', left, right));
}

const parse = <Shape>(evidence: Evidence, name: string) => JSON.parse(evidence.text(name)) as Shape;
const leafHashes = (evidence: Evidence) =>
  evidence
    .text('leaves.txt')
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line, 'base64'));

const event = (tenantId: string, occurredAt: string, correlationId: string) => ({
  tenantId,
  occurredAt: new Date(occurredAt),
  correlationId,
  action: 'AUTH_LOGOUT',
  outcome: 'success' as const,
  actor: 'system',
  details: { scope: 'session' },
});

const march = { from: '2026-03-01', to: '2026-03-31' };

describe('what proves a bundle', () => {
  let officer: SeededAuth;

  beforeAll(async () => {
    officer = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const days = [
      '2026-02-01',
      '2026-03-01',
      '2026-03-02',
      '2026-02-28',
      '2026-03-31',
      '2026-04-01',
    ];
    // One statement for each, because the order of rows within one statement is not fixed.
    for (const [n, day] of days.entries()) {
      await db.insert(auditLogs).values(event(officer.tenantId, `${day}T12:00:00Z`, `event-${n}`));
    }
  });

  it('leads from its events to the signed head alone, and both formats hold the same events', async () => {
    const evidence = await downloadEvidence(app, officer, { ...march, format: 'json' });
    const leaves = parse<Leaves>(evidence, 'leaves.json');
    const events = [
      ...evidence.lines('audit-log.jsonl'),
      ...evidence.lines('audit-log-edges.jsonl'),
    ];
    events.sort((one, other) => Number(one['leaf_index']) - Number(other['leaf_index']));
    expect(events.map((line) => line['leaf_index'])).toEqual(
      Array.from({ length: leaves.last - leaves.first + 1 }, (_, n) => leaves.first + n),
    );
    const hashes = events.map((line) => sha256('\x00', canonicalJson(line as Json)));
    expect(leafHashes(evidence)).toEqual(hashes);
    const root = joinTree(leaves, hashes).toString('base64');
    const [origin, size, rootOfHead] = evidence.text('checkpoint.txt').split('\n');
    expect([origin, size, rootOfHead]).toEqual([
      `gatehouse/${officer.tenantId}`,
      String(leaves.size),
      root,
    ]);
    expect(isNoteSignedBy(evidence.text('checkpoint.txt'), evidence.manifest.key)).toBe(true);
    expect(evidence.manifest.log).toEqual({
      origin,
      size: leaves.size,
      rootHash: root,
      firstLeaf: leaves.first,
      lastLeaf: leaves.last,
    });
    const other = await downloadEvidence(app, officer, { ...march, format: 'csv' });
    const rows = other.table('audit-log.csv');
    expect(rows.map((row) => Number(row['leaf_index']))).toEqual(
      evidence.lines('audit-log.jsonl').map((line) => line['leaf_index']),
    );
    expect(rows.map((row) => row['occurred_at'])).toEqual(
      evidence.lines('audit-log.jsonl').map((line) => line['occurred_at']),
    );
  });

  it('has the events of the range in one file and those between them in another, and a neighbour at each end', async () => {
    const evidence = await downloadEvidence(app, officer, { ...march, format: 'csv' });
    const named = (name: string) => evidence.table(name).map((row) => row['correlation_id'] ?? '');
    expect(named('audit-log.csv').filter((name) => name.startsWith('event'))).toEqual([
      'event-1',
      'event-2',
      'event-4',
    ]);
    const edges = named('audit-log-edges.csv');
    expect(edges.filter((name) => name.startsWith('event'))).toEqual([
      'event-0',
      'event-3',
      'event-5',
    ]);
    expect(evidence.manifest.files.find(({ name }) => name === 'audit-log.csv')).toMatchObject({
      rows: 3,
      population: { firstLeaf: 1, lastLeaf: 4 },
    });
  });

  it('is the same to the byte for the same range, but for where the log was', async () => {
    const hashesOf = ({ manifest }: Evidence) =>
      Object.fromEntries(manifest.files.map(({ name, sha256: hash }) => [name, hash]));
    const first = hashesOf(await downloadEvidence(app, officer, { ...march, format: 'csv' }));
    const second = hashesOf(await downloadEvidence(app, officer, { ...march, format: 'csv' }));
    const differing = Object.keys(first).filter((name) => first[name] !== second[name]);
    expect(differing).toEqual(['leaves.json', 'checkpoint.txt', 'consistency.json']);
  });

  it('proves that the log begins with what it was in each earlier bundle', async () => {
    const fresh = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const today = { from: utcToday(), to: utcToday(), format: 'json' };
    const earlier = [];
    for (let n = 0; n < 3; n += 1) {
      await db
        .insert(auditLogs)
        .values(event(fresh.tenantId, '2026-03-01T00:00:00Z', `growth-${n}`));
      earlier.push(await downloadEvidence(app, fresh, today));
    }
    const last = await downloadEvidence(app, fresh, { ...today, from: '2026-01-01' });
    const growth = parse<Growth>(last, 'consistency.json');
    expect(growth.from.map(({ exportId }) => exportId)).toEqual(
      earlier.map(({ manifest }) => manifest.exportId).reverse(),
    );
    const entries = [...last.lines('audit-log.jsonl'), ...last.lines('audit-log-edges.jsonl')]
      .sort((one, other) => Number(one['leaf_index']) - Number(other['leaf_index']))
      .map((line) => Buffer.from(canonicalJson(line as Json)));
    expect(entries).toHaveLength(growth.size);
    for (const [n, { size, rootHash, checkpoint, hashes }] of growth.from.entries()) {
      expect(checkpoint).toBe(earlier.at(-1 - n)?.text('checkpoint.txt'));
      expect(rootHash).toBe(treeHash(entries.slice(0, size)).toString('base64'));
      expect(hashes).toEqual(consistencyPath(size, entries).map((hash) => hash.toString('base64')));
    }
  });
});

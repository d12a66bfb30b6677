import { sql } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';

const may10 = { from: '2026-05-10', to: '2026-05-10', format: 'csv' };

describe('the stretch of the log that a bundle covers', () => {
  const minute = (n: number) => new Date(Date.UTC(2026, 4, 10) + n * 60_000).toISOString();
  /**
   * For each leaf the times of sealing and of the event, in minutes since the start of the range,
   * which ends after 1440.
   */
  const cases: [string, { sealed: number; occurred: number }[], [number, number], number[]][] = [
    [
      'five minutes, one leaf and one batch more at its ends',
      [
        { sealed: -60, occurred: -60 },
        { sealed: -1, occurred: -1 },
        { sealed: 5, occurred: 5 },
        { sealed: 1439, occurred: 1439 },
        { sealed: 1446, occurred: 1446 },
        { sealed: 1500, occurred: 1500 },
      ],
      [0, 5],
      [2, 3],
    ],
    [
      'the batch that came five minutes after its end, for what came late',
      [
        { sealed: -1, occurred: -1 },
        { sealed: 10, occurred: 10 },
        { sealed: 1441, occurred: 1441 },
        { sealed: 1444, occurred: 1439 },
        { sealed: 1446, occurred: 1446 },
        { sealed: 1447, occurred: 1447 },
      ],
      [0, 5],
      [1, 3],
    ],
    [
      'events of the range that came a day late or a moment early',
      [
        { sealed: -2, occurred: -2 },
        { sealed: -1, occurred: 1 },
        { sealed: 10, occurred: 10 },
        { sealed: 1446, occurred: 1446 },
        { sealed: 2000, occurred: 2000 },
        { sealed: 3000, occurred: 20 },
        { sealed: 3001, occurred: 3001 },
        { sealed: 3002, occurred: 3002 },
      ],
      [0, 6],
      [1, 2, 5],
    ],
    [
      'all that was sealed from five minutes before its first moment until the batch after that behind its last',
      [
        { sealed: -3, occurred: -3 },
        { sealed: -2, occurred: -2 },
        { sealed: 0, occurred: -1 },
        { sealed: 1440, occurred: 1440 },
        { sealed: 1444, occurred: 1444 },
        { sealed: 1445, occurred: 1445 },
        { sealed: 1446, occurred: 1446 },
      ],
      [0, 6],
      [],
    ],
    [
      'events of its first and last moment, whenever they were sealed, and no others',
      [
        { sealed: -90, occurred: -90 },
        { sealed: -80, occurred: -80 },
        { sealed: -70, occurred: 0 },
        { sealed: -60, occurred: 1440 },
        { sealed: -2, occurred: -2 },
        { sealed: -1, occurred: 1 },
        { sealed: 1446, occurred: 1440 - 1 / 60_000 },
        { sealed: 2000, occurred: 1440 },
        { sealed: 2001, occurred: 2001 },
      ],
      [1, 7],
      [2, 5, 6],
    ],
    [
      'its neighbours where nothing happened',
      [
        { sealed: -60, occurred: -60 },
        { sealed: -50, occurred: -50 },
        { sealed: 2000, occurred: 2000 },
        { sealed: 2001, occurred: 2001 },
      ],
      [1, 3],
      [],
    ],
    [
      'the beginning of the log where all of it is later',
      [
        { sealed: 2000, occurred: 2000 },
        { sealed: 2001, occurred: 2001 },
      ],
      [0, 1],
      [],
    ],
  ];

  const late = [1380, 1390, 1400, 1410, 1420].map((occurred) => ({ sealed: 1560, occurred }));
  cases.push(
    [
      'the whole of the batch that the sealer made after it had stood still over midnight',
      [
        { sealed: -60, occurred: -60 },
        { sealed: 10, occurred: 10 },
        { sealed: 1560, occurred: 1550 },
        ...late,
        { sealed: 1560, occurred: 1555 },
        { sealed: 1561, occurred: 1561 },
        { sealed: 1561, occurred: 1561 },
      ],
      [0, 9],
      [1, 3, 4, 5, 6, 7],
    ],
    [
      'the whole of a batch in which only one event occurred in it, however late',
      [
        { sealed: -60, occurred: -60 },
        { sealed: 1446, occurred: 1446 },
        { sealed: 1447, occurred: 1447 },
        { sealed: 3000, occurred: 20 },
        { sealed: 3000, occurred: 2999 },
        { sealed: 3000, occurred: 2999 },
        { sealed: 3001, occurred: 3001 },
        { sealed: 3001, occurred: 3001 },
      ],
      [0, 6],
      [3],
    ],
    [
      'what was sealed moments before it and says that it occurred in it',
      [
        { sealed: -7, occurred: -7 },
        { sealed: -6, occurred: -6 },
        { sealed: -4, occurred: 0 },
        { sealed: -3, occurred: -3 },
        { sealed: 1446, occurred: 1446 },
        { sealed: 1447, occurred: 1447 },
      ],
      [1, 5],
      [2],
    ],
  );

  it.each(cases)('holds %s', async (_name, leaves, [first, last], inRange) => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    for (const { occurred } of leaves) {
      await writeEvents(tenantId, [{ occurredAt: new Date(minute(occurred)) }]);
    }
    await downloadEvidence(app, officer, { ...may10, from: '2026-03-01' });
    // Only an owner can change a time of sealing. Here it simulates the months that a test does not
    // have.
    await db.transaction(async (tx) => {
      await tx.execute(sql`ALTER TABLE audit_leaves DISABLE TRIGGER audit_leaves_append_only`);
      for (const [index, { sealed }] of leaves.entries()) {
        await tx.execute(
          sql`UPDATE audit_leaves SET sealed_at = ${minute(sealed)} WHERE log_id = ${tenantId} AND leaf_index = ${index}`,
        );
      }
      await tx.execute(
        sql`ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER audit_leaves_append_only`,
      );
    });
    const evidence = await downloadEvidence(app, officer, may10);
    const { firstLeaf, lastLeaf } = evidence.manifest.log;
    const indexes = (name: string) => evidence.table(name).map((row) => Number(row['leaf_index']));
    expect([firstLeaf, lastLeaf]).toEqual([first, last]);
    expect(indexes('audit-log.csv')).toEqual(inRange);
    const others = Array.from({ length: last - first + 1 }, (_, n) => first + n);
    expect(indexes('audit-log-edges.csv')).toEqual(others.filter((n) => !inRange.includes(n)));
    const all = await readHashes(tenantId);
    const hashes = evidence.text('leaves.txt').split('\n').slice(0, -1);
    expect(hashes).toEqual(all.slice(first, last + 1));
  });

  async function readHashes(logId: string): Promise<string[]> {
    const { rows } = await db.execute<{ leaf_hash: Buffer }>(
      sql`SELECT leaf_hash FROM audit_leaves WHERE log_id = ${logId} ORDER BY leaf_index`,
    );
    return rows.map((row) => row.leaf_hash.toString('base64'));
  }
});

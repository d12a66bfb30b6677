import { randomUUID } from 'node:crypto';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { parseCsv } from '@/tests/helpers/evidence/parseCsv';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const [FIRST, SECOND] = ['2025-05-01T00:00:00.000Z', '2025-06-01T00:00:00.000Z'];

/** A member of March: their end as their row has it today, and the event in April about it. */
const MEMBERS: Record<
  string,
  {
    endsAt: string | null;
    status?: 'active' | 'removed';
    event?: [
      action: 'STAFF_END_CHANGED' | 'STAFF_REMOVED' | 'STAFF_CREATED',
      details: Record<string, unknown>,
    ];
    shown: string;
  }
> = {
  'no end': { endsAt: null, shown: '' },
  'an end without a later event': { endsAt: FIRST, shown: FIRST },
  'an end that was put off': {
    endsAt: SECOND,
    event: ['STAFF_END_CHANGED', { before: FIRST, after: SECOND, via: 'operator' }],
    shown: FIRST,
  },
  'an end that was taken away': {
    endsAt: null,
    event: ['STAFF_END_CHANGED', { before: FIRST, after: null, via: 'operator' }],
    shown: FIRST,
  },
  'an end that was set later': {
    endsAt: SECOND,
    event: ['STAFF_END_CHANGED', { before: null, after: SECOND, via: 'operator' }],
    shown: '',
  },
  'an end that has come': {
    ...{ endsAt: null, status: 'removed' },
    event: ['STAFF_REMOVED', { endsAt: FIRST, via: 'expiry' }],
    shown: FIRST,
  },
  'a return for a time': {
    endsAt: SECOND,
    event: [
      'STAFF_CREATED',
      { rejoined: true, permissions: [], endsAt: SECOND, via: 'invitation' },
    ],
    shown: '',
  },
};

it.each(Object.entries(MEMBERS))(
  'the access review of a closed month has the end of then, for %s',
  async (_name, { endsAt, status, event, shown }) => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const [userId, staffId] = [randomUUID(), randomUUID()];
    await db
      .insert(users)
      .values({ id: userId, email: `${userId}@example.com`, passwordHash: 'none' });
    const createdAt = at('03-02T00:00:00');
    const end = endsAt === null ? null : new Date(endsAt);
    await db.insert(tenantStaff).values({
      id: staffId,
      tenantId,
      userId,
      createdAt,
      endsAt: end,
      status: status ?? 'active',
    });
    if (event) {
      const [action, details] = event;
      const occurredAt = at('04-02T00:00:00');
      const actor = 'system';
      await writeEvents(tenantId, [
        { action, details, occurredAt, actor, subject: `staff:${staffId}` },
      ]);
    }
    const range = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
    const res = await as(app, officer).post('/api/compliance/export/bundle', range);
    const files = await readZip(res.body as Buffer);
    const [header = [], ...rows] = parseCsv(String(files.get('access-review.csv')));
    const row = rows.find((cells) => cells[header.indexOf('staff_id')] === staffId);
    expect(row?.[header.indexOf('membership_ends_at')]).toBe(shown);
  },
);

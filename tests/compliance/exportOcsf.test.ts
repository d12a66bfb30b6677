import request from 'supertest';
import { app, deps } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { binaryBody } from '@/tests/helpers/http/binaryBody';
import { objectionsToOcsf } from '@/tests/helpers/evidence/objectionsToOcsf';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const march = { from: '2026-03-01', to: '2026-03-31', format: 'ocsf' };
const EVENTS = '/api/compliance/export/security-events';

describe('the security events as OCSF', () => {
  it('are the same events as in the other formats, a line each, as a SIEM takes them', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const actions = ['AUTH_TOKEN_REFRESH', 'AUTH_LOGIN_FAILED', 'SESSION_INVALIDATED'];
    await db.insert(auditLogs).values(
      actions.map((action) => ({
        tenantId: seeded.tenantId,
        action,
        outcome: 'success' as const,
        actor: seeded.staffId,
        correlationId: 'ocsf',
        userAgent: 'two\nlines, "quoted"',
        occurredAt: new Date('2026-03-15T12:00:00.000Z'),
      })),
    );
    const res = await as(app, seeded).post(EVENTS, march).buffer(true).parse(binaryBody);
    expect(res.status).toBe(200);
    expect(res.headers['content-type']).toBe('application/x-ndjson');
    expect(res.headers['content-disposition']).toBe(
      `attachment; filename="security-events-${seeded.tenantSlug}-2026-03-01-2026-03-31.ocsf.jsonl"`,
    );
    const lines = (res.body as Buffer).toString('utf8').trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.flatMap(objectionsToOcsf)).toStrictEqual([]);
    const { version } = deps.config;
    const common = { tenant_uid: seeded.tenantId, product: { version } };
    // They have the same time, so only their ids show the order.
    const codes = events.map(({ metadata }) => metadata as { event_code: string });
    codes.sort((a, b) => a.event_code.localeCompare(b.event_code));
    expect(codes).toMatchObject([
      { ...common, event_code: 'AUTH_TOKEN_REFRESH' },
      { ...common, event_code: 'SESSION_INVALIDATED' },
    ]);
  });

  it('are in no bundle: 400', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const token = `Bearer ${seeded.token}`;
    const res = await request(app)
      .post('/api/compliance/export/bundle')
      .set({ authorization: token, 'x-stepup-test-bypass': '1' })
      .send(march);
    expect(res.status).toBe(400);
    expect(res.body).toMatchObject({ error: 'INVALID_INPUT', issues: [{ path: 'format' }] });
  });
});

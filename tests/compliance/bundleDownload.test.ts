import request from 'supertest';
import { app } from '@/server/app';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const range = { from: '2025-01-01', to: '2027-12-31', format: 'csv' };

describe('SOC 2 export bundle', () => {
  it('is refused without a token', async () => {
    const res = await request(app).post('/api/compliance/export/bundle').send(range);
    expect(res.status).toBe(401);
  });

  it('is a ZIP, as an attachment, that another program opens', async () => {
    const { token } = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const res = await request(app)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${token}`)
      .set('x-stepup-test-bypass', '1')
      .send(range);
    expect(res.status).toBe(200);
    expect(res.headers['content-type']).toContain('application/zip');
    expect(res.headers['content-disposition']).toMatch(/^attachment; filename="[\w.-]+\.zip"$/);
    const body = res.body as Buffer;
    expect(body.length).toBeGreaterThan(100);
    expect([...(await readZip(body)).keys()]).toEqual([
      'README.txt',
      'audit-log-edges.csv',
      'audit-log.csv',
      'leaves.txt',
      'leaves.json',
      'checkpoint.txt',
      'consistency.json',
      'security-events.csv',
      'access-review.csv',
      'joiners-leavers.csv',
      'permission-changes.csv',
      'sessions.csv',
      'token-revocations.csv',
      'risk-decisions.csv',
      'step-ups.csv',
      'ip-rules.csv',
      'impersonations.csv',
      'data-exports.csv',
      'schema-changes.csv',
      'schema-health.csv',
      'controls.csv',
      'summary.html',
      'manifest.json',
      'manifest.sig',
    ]);
  });
});

import request from 'supertest';
import { app } from '@/server/app';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { FORMATS } from '@/verifier/formats';

const range = { from: '2025-01-01', to: '2027-12-31', format: 'csv' };

describe('SOC 2 export bundle', () => {
  it('is refused without a token', async () => {
    const res = await request(app).post('/api/compliance/export/bundle').send(range);
    expect(res.status).toBe(401);
  });

  it('is a ZIP, as an attachment, that another program opens, with the files of the newest format in order', async () => {
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
    const { files } = FORMATS.at(-1) ?? { files: [] };
    expect([...(await readZip(body)).keys()]).toEqual([
      ...files.map((name) => name.replace('{log}', 'csv')),
      ...['manifest.json', 'manifest.sig'],
    ]);
  });
});

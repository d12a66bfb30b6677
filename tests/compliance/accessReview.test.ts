import request from 'supertest';
import { db } from '@/server/db';
import { recoveryCodes, userTotp } from '@/server/db/schema';
import { parseCsv } from '@/tests/helpers/evidence/parseCsv';
import { givePasskey, signIn } from '@/tests/helpers/passkeys/passkeyCalls';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

describe('the access review', () => {
  it('has everybody once, with every device they can prove with', async () => {
    const node = buildApp();
    const officer = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const { tenantId } = officer;
    const rich = await seedTestUserAndToken({ tenantId });
    await givePasskey(node, await signIn(node.app, rich));
    await giveFactor(rich);
    const { userId, staffId } = rich;
    const other = { tenantId, userId, staffId, secretSealed: Buffer.from('another') };
    await db.insert(userTotp).values([{ ...other, confirmedAt: new Date() }, other]);
    const code = { tenantId, userId, staffId };
    await db.insert(recoveryCodes).values([
      { ...code, codeHash: 'used', usedAt: new Date() },
      { ...code, codeHash: 'left' },
    ]);
    const spent = await seedTestUserAndToken({ tenantId });
    const used = { tenantId, userId: spent.userId, staffId: spent.staffId };
    await db.insert(recoveryCodes).values({ ...used, codeHash: 'used', usedAt: new Date() });

    const today = new Date().toISOString().slice(0, 10);
    const res = await request(node.app)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${officer.token}`)
      .set('x-stepup-test-bypass', '1')
      .send({ from: today, to: today, format: 'csv' });
    const files = await readZip(res.body as Buffer);
    const [header = [], ...rows] = parseCsv(String(files.get('access-review.csv')));
    const [id, factors] = [header.indexOf('staff_id'), header.indexOf('factors')];
    const reviewed = rows.map((row): [string, unknown] => [
      row[id] ?? '',
      JSON.parse(row[factors] ?? ''),
    ]);
    expect(reviewed).toHaveLength(3);
    expect(Object.fromEntries(reviewed)).toEqual({
      [officer.staffId]: [],
      [rich.staffId]: ['passkey', 'totp', 'totp', 'recovery_code'],
      [spent.staffId]: [],
    });
  });
});

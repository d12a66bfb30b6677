import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { renewAttempts } from '@/server/keys/renewAttempts';
import { checkKeys } from '@/server/keys/checkKeys';
import { loadConfig, requireReady } from '@/server/config';
import { db } from '@/server/db';
import { attemptSubject } from '@/server/security';
import { buildApp } from '../helpers/server/testApp';
import { SEEDED_EMAIL } from '../helpers/testRun/seedTemplate';
import request from 'supertest';

const guess = (app: Parameters<typeof request>[0]) =>
  request(app).post('/api/auth/login').send({ email: SEEDED_EMAIL, password: 'a wrong password' });

const triesOf = async (subject: string) => {
  const { rows } = await db.execute<{ tries: number }>(
    sql`SELECT tries FROM failed_attempts WHERE scope = 'account' AND subject = ${subject}`,
  );
  return rows[0]?.tries;
};

describe('replacing TOKEN_HASH_KEY', () => {
  it('gives nobody a new budget of tries: what was counted under the former key goes on counting', async () => {
    const { secrets } = requireReady(loadConfig());
    const before = buildApp();
    for (let tries = 0; tries < 3; tries += 1) await guess(before.app);
    const former = attemptSubject(before.deps.keys, 'email', SEEDED_EMAIL);
    expect(await triesOf(former)).toBe(3);

    const tokenHashKey = randomBytes(32).toString('base64');
    const rotated = { ...secrets, tokenHashKey, tokenHashRetiredKeys: [secrets.tokenHashKey] };
    const after = buildApp({ secrets: rotated });
    const current = attemptSubject(after.deps.keys, 'email', SEEDED_EMAIL);
    await guess(after.app);
    await checkKeys(after.deps);
    await renewAttempts(after.deps);
    expect([await triesOf(former), await triesOf(current)]).toStrictEqual([undefined, 4]);
  });
});

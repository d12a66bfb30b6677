import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';
import type { Express, RequestHandler } from 'express';
import request from 'supertest';
import { auditOf } from '@/tests/helpers/database/authRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

/** Runs the recipe of docs/step-up.md as it is written, and returns its application. */
function runRecipe(listPayouts: RequestHandler): Express {
  const page = readFileSync(join(__dirname, '../../docs/step-up.md'), 'utf8');
  const [, recipe = ''] = /```ts\n(import express [\s\S]*?)```/.exec(page) ?? [];
  const code = recipe
    .replace(/^import (\w+) from '(.+)';$/gm, "const $1 = load('$2');")
    .replace(/^import (\{.+\}) from '(.+)';$/gm, "const $1 = load('$2');");
  const run = runInThisContext(`(load, listPayouts) => { ${code}; return outer; }`) as (
    load: (name: string) => unknown,
    listPayouts: RequestHandler,
  ) => Express;
  return run((name) => jest.requireActual(name), listPayouts);
}

describe('a route of a team, guarded as docs/step-up.md shows', () => {
  const outer = runRecipe((_req, res) => void res.json({ payouts: [] }));

  const PERMITTED = { permissions: ['app:payouts.view'] };

  it('is refused without a token, and with one that has given no second proof', async () => {
    const { token } = await seedTestUserAndToken(PERMITTED);
    expect((await request(outer).get('/api/payouts')).status).toBe(401);
    const asked = await request(outer).get('/api/payouts').set('authorization', `Bearer ${token}`);
    expect([asked.status, asked.body.error]).toEqual([428, 'STEP_UP_REQUIRED']);
  });

  it('is refused without the permission of the team, and the refusal is recorded', async () => {
    const member = await seedTestUserAndToken({ permissions: ['app:payouts.viewer'] });
    const refused = await request(outer)
      .get('/api/payouts')
      .set({ authorization: `Bearer ${member.token}`, 'x-stepup-test-bypass': '1' });
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(await auditOf('PERMISSION_DENIED', member.tenantId)).toMatchObject([
      { actor: member.staffId, details: { permission: 'app:payouts.view' } },
    ]);
  });

  it('is served after the second proof, beside the API', async () => {
    const { token } = await seedTestUserAndToken(PERMITTED);
    const proven = await request(outer)
      .get('/api/payouts')
      .set({ authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' });
    expect(proven.body).toEqual({ payouts: [] });
    expect((await request(outer).get('/health/live')).status).toBe(200);
  });
});

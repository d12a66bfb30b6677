import request from 'supertest';
import { db } from '@/server/db';
import { failedAttempts } from '@/server/db/schema';
import { fromAddress, login } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  setStaffStatus,
  setTenantStatus,
  setUserStatus,
} from '@/tests/helpers/database/authRows';
import { answer, begin, lockedMember, openPatientNode } from '@/tests/helpers/stepUp/begunLogins';
import type { Node } from '@/tests/helpers/server/openNode';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

beforeEach(async () => {
  await db.delete(failedAttempts);
});

describe('somebody who begins with the factor', () => {
  it('may send the right code twice at once, or again: one proof, no failure, no try', async () => {
    const nodes = [openPatientNode(), openPatientNode()];
    const [node] = nodes as [Node, Node];
    const { member, secret } = await lockedMember(node);
    const { challengeId } = (await begin(node, member.email)).body;
    const code = codeAt(secret, node.clock.now());
    const sent = Array.from({ length: 4 }, (_, at) =>
      answer(nodes[at % 2] ?? node, challengeId, code),
    );
    const answers = [...(await Promise.all(sent)), await answer(node, challengeId, code)];
    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body.verifiedAt)).size).toBe(1);
    expect(await auditOf('STEP_UP_FAILED', member.tenantId)).toHaveLength(0);
    const [other] = wrongCodes(secret, node.clock.now(), 1);
    expect((await answer(node, challengeId, other ?? '')).status).toBe(403);
    expect((await login(node.app, { ...member, challengeId })).status).toBe(200);
  });

  it('is not kept out by one address that goes on guessing codes after it was refused', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const stranger = fromAddress('192.0.2.66');
    const refused: number[] = [];
    for (let login = 0; login < 5; login += 1) {
      const { challengeId } = (await begin(node, member.email, stranger)).body;
      for (const wrong of wrongCodes(secret, node.clock.now(), 4)) {
        refused.push((await answer(node, challengeId, wrong, stranger)).status);
      }
    }
    expect(refused.filter((status) => status === 403)).toHaveLength(5);
    expect(refused.filter((status) => status === 429)).toHaveLength(15);
    const elsewhere = fromAddress('198.51.100.9');
    const { challengeId } = (await begin(node, member.email, elsewhere)).body;
    const code = codeAt(secret, node.clock.now());
    expect((await answer(node, challengeId, code, elsewhere)).status).toBe(200);
  });

  it('proves nothing by a cookie that was planted in another browser', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const cookiesOf = (res: request.Response) =>
      ([res.headers['set-cookie']].flat() as string[]).map((line) => line.split(';')[0] ?? '');
    const [challenge = '', device = ''] = cookiesOf(await begin(node, member.email));
    expect([challenge, device].map((pair) => pair.split('=')[0])).toStrictEqual([
      'gh_challenge',
      'gh_device',
    ]);
    const [, another = ''] = cookiesOf(await begin(node, 'somebody@example.com'));
    const code = codeAt(secret, node.clock.now());
    const verifyIn = (browser: string) =>
      request(node.app)
        .post('/api/security/step-up/verify')
        .set('cookie', `${challenge}; ${browser}`)
        .send({ code, purpose: 'security_settings' });
    expect((await verifyIn(another)).status).toBe(401);
    expect((await verifyIn(device)).status).toBe(200);
  });

  it.each<[string, (member: SeededAuth, active: boolean) => Promise<unknown>]>([
    [
      'the membership',
      ({ staffId }, active) => setStaffStatus(staffId, active ? 'active' : 'disabled'),
    ],
    ['the person', ({ userId }, active) => setUserStatus(userId, active ? 'active' : 'disabled')],
    [
      'the tenant',
      ({ tenantId }, active) => setTenantStatus(tenantId, active ? 'active' : 'suspended'),
    ],
  ])('proves nothing, and spends no code, while %s is not active', async (_what, set) => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const { challengeId } = (await begin(node, member.email)).body;
    const code = codeAt(secret, node.clock.now());
    await set(member, false);
    const refused = await answer(node, challengeId, code);
    expect([refused.status, refused.body.error]).toStrictEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect(await auditOf('STEP_UP_VERIFIED', member.tenantId)).toHaveLength(0);
    await set(member, true);
    expect((await answer(node, challengeId, code)).status).toBe(200);
  });
});

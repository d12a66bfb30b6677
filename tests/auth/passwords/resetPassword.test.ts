import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { passwordResets, riskPolicies, tenantStaff, users } from '@/server/db/schema';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login } from '@/tests/helpers/http/authCalls';
import { expectForcedOut } from '@/tests/helpers/http/authOutcomes';
import { NEW_PASSWORD, forgot, reset } from '@/tests/helpers/http/passwordCalls';
import { openResetLinks, pathIn } from '@/tests/helpers/mail/resetLinks';
import type { ResetLinks } from '@/tests/helpers/mail/resetLinks';
import { ABROAD, HOME, seedTraveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const FORM = 'application/x-www-form-urlencoded';

let links: ResetLinks;
let node: ResetLinks['node'];
let other: ResetLinks['other'];
beforeAll(async () => {
  links = await openResetLinks();
  ({ node, other } = links);
});

const statusOf = async (who: SeededAuth, password: string) =>
  (await login(node.app, { ...who, password }, HOME)).status;
const open = (path: string) => request(node.app).get(path);

describe('opening the link', () => {
  it('shows a form, loads and runs nothing, names nobody, and changes nothing', async () => {
    const { member, path } = await links.forgetful();
    const before = await db.select().from(passwordResets);
    for (let times = 0; times < 3; times += 1) {
      const res = await open(path);
      expect(res.status).toBe(200);
      expect(res.headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
      });
      expect(res.text.match(/<form method="post">/g)).toHaveLength(1);
      expect(res.text).not.toMatch(/<script|<img|<link|<iframe|src=|href=|url\(|@import|\son\w+=/i);
      for (const word of [member.email, member.tenantSlug, path]) {
        expect(res.text).not.toContain(word);
      }
      expect((await request(node.app).head(path)).status).toBe(200);
    }
    expect(await db.select().from(passwordResets)).toEqual(before);
    expect(await statusOf(member, member.password)).toBe(200);
  });
});

describe('using the link', () => {
  it('sets the password, ends all sessions in every tenant, and signs nobody in', async () => {
    const { member, path } = await links.forgetful();
    const { tenantId, tenantSlug: tenant } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    const elsewhere = (await login(node.app, { ...member, tenant }, HOME)).body;
    const res = await reset(node.app, path);
    expect([res.status, res.body]).toEqual([200, { passwordChanged: true }]);
    expect(res.headers).not.toHaveProperty('set-cookie');
    for (const session of [member, elsewhere]) {
      await expectForcedOut(other.app, session, 'security_event');
    }
    const own = { ...member, tenant: member.tenantSlug };
    expect(await statusOf(own, member.password)).toBe(401);
    expect(await statusOf(own, NEW_PASSWORD)).toBe(200);
    for (const id of [member.tenantId, tenantId]) {
      expect(await auditOf('PASSWORD_CHANGED', id)).toMatchObject([
        { actor: 'anonymous', details: { with: 'reset_link' } },
      ]);
    }
  });

  it('works with the form of the page, and the page says what was done', async () => {
    const { member, path } = await links.forgetful();
    const post = (body: string) => request(node.app).post(path).type(FORM).send(body);
    const refused = await post('newPassword=passwordpassword');
    expect([refused.status, refused.type]).toEqual([400, 'text/html']);
    expect(refused.text).toContain('most commonly used');
    expect(refused.text).toContain('<form method="post">');
    expect(refused.text).not.toContain('passwordpassword');
    const res = await post(`newPassword=${encodeURIComponent('größer & länger = besser')}`);
    expect([res.status, res.type]).toEqual([200, 'text/html']);
    expect(res.text).toContain('Your password is set');
    expect(await statusOf(member, 'größer & länger = besser')).toBe(200);
    const dead = await post('newPassword=correct+horse+battery');
    expect([dead.status, dead.type]).toEqual([404, 'text/html']);
  });

  it.each([
    [
      'twice the field',
      'newPassword=correct+horse+battery&newPassword=correct+horse+batteries',
      400,
    ],
    ['no field', 'password=correct+horse+battery', 400],
    ['many fields', 'a=1&b=2&c=3&d=4&e=5&newPassword=correct+horse+battery', 400],
    ['a prototype', '__proto__=x&constructor=y', 400],
    ['a long body', `newPassword=${'x'.repeat(20_000)}`, 413],
    ['an empty body', '', 400],
  ])('a form with %s is refused, and the link still works', async (_what, body, status) => {
    const { member, path } = await links.forgetful();
    const res = await request(node.app).post(path).type(FORM).send(body);
    expect(res.status).toBe(status);
    expect((await open(path)).status).toBe(200);
    expect(await statusOf(member, member.password)).toBe(200);
  });

  it('a form in another charset, or another type of body, is refused', async () => {
    const { path } = await links.forgetful();
    const post = (type: string) =>
      request(node.app)
        .post(path)
        .set('content-type', type)
        .send('newPassword=correct+horse+battery');
    expect((await post(`${FORM}; charset=iso-8859-1`)).status).toBe(415);
    expect((await post('text/plain')).status).toBe(415);
    expect((await post(`${FORM}; charset=UTF-8`)).status).toBe(200);
  });

  it('is possible once: of 50 at the same time over two nodes, one wins', async () => {
    const { member, path } = await links.forgetful();
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        reset(index % 2 === 0 ? node.app : other.app, path, `${NEW_PASSWORD} ${index}`),
      ),
    );
    const won = results.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(won).toHaveLength(1);
    for (const { status } of results) expect([200, 404, 503]).toContain(status);
    expect(await statusOf(member, `${NEW_PASSWORD} ${won[0]}`)).toBe(200);
    expect(await auditOf('PASSWORD_CHANGED', member.tenantId)).toHaveLength(1);
  });

  it('a refused password does not use it up, and every reason is told', async () => {
    const { member, path } = await links.forgetful();
    const refused = await reset(node.app, path, 'Gatehouse1');
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({
      error: 'PASSWORD_REFUSED',
      reasons: [{ code: 'too_short' }, { code: 'common' }, { code: 'own_words' }],
    });
    expect((await reset(node.app, path)).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(200);
  });

  it('takes eight characters only if every tenant of the person demands a factor', async () => {
    const { member, path } = await links.forgetful();
    expect((await reset(node.app, path, 'q7&vLp2x')).status).toBe(400);
    await db
      .insert(riskPolicies)
      .values({ tenantId: member.tenantId, policy: { ...DEFAULT_POLICY, secondFactor: 'always' } });
    expect((await reset(node.app, path, 'q7&vLp2x')).status).toBe(200);
  });

  it('the next sign-in asks for the factor, in each tenant in which the person has one', async () => {
    const member = await seedTraveller(node.app);
    const { tenantId, tenantSlug } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    await forgot(node.app, member.email, HOME);
    const [path = ''] = await links.linksTo(member);
    expect((await reset(node.app, path)).status).toBe(200);
    const signIn = (tenant: string, more = {}) =>
      login(node.app, { ...member, password: NEW_PASSWORD, tenant, ...more }, HOME);
    const asked = await signIn(member.tenantSlug);
    expect([asked.status, asked.body.reasons]).toEqual([428, ['PROOF_REQUIRED']]);
    expect((await signIn(tenantSlug)).status).toBe(200);
    const { challengeId } = asked.body;
    const code = codeAt(member.secret, node.clock.now());
    await request(node.app)
      .post('/api/security/step-up/verify')
      .send({ code, purpose: 'security_settings', challengeId })
      .expect(200);
    expect((await signIn(member.tenantSlug, { challengeId })).status).toBe(200);
  });

  it('opens an account that guessing has closed', async () => {
    const { member, path } = await links.forgetful();
    const perWindow = node.deps.config.loginFailures.perAccount;
    for (let tries = 0; tries < perWindow; tries += 1) {
      await login(node.app, { ...member, password: 'not the password' }, ABROAD);
    }
    expect((await login(node.app, member, HOME)).status).toBe(401);
    expect((await reset(node.app, path)).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(200);
  });

  it('replaces an expired password', async () => {
    const { member, path } = await links.forgetful();
    await db
      .update(users)
      .set({ passwordExpiredAt: new Date() })
      .where(eq(users.id, member.userId));
    expect((await reset(node.app, path)).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(200);
  });

  it('does not bring back the password that the person has, expired or not', async () => {
    const { member, path } = await links.forgetful();
    for (const passwordExpiredAt of [null, new Date()]) {
      await db.update(users).set({ passwordExpiredAt }).where(eq(users.id, member.userId));
      const res = await reset(node.app, path, member.password);
      expect([res.status, res.body.reasons?.[0]?.code]).toEqual([400, 'unchanged']);
    }
    expect(await statusOf(member, member.password)).toBe(401);
    expect((await reset(node.app, path)).status).toBe(200);
  });

  it('is told by mail, and the button of that mail ends what the link began', async () => {
    // The database dates the change of the password, so the node's clock must not stand behind it.
    node.clock.forward((Date.now() - node.clock.now().getTime()) / 1000);
    const { member, path } = await links.forgetful();
    await reset(node.app, path);
    await node.deps.mail.settle();
    const notice = links.server.received.findLast(({ to }) => to.includes(member.email));
    expect(notice?.headers.get('subject')).toMatch(/^Your password was changed: /);
    expect((await request(node.app).post(pathIn(notice?.text ?? ''))).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(401);
  });
});

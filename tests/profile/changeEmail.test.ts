import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { emailChanges, passwordResets, tenantStaff, users } from '@/server/db/schema';
import { tagId } from '@/server/taggedId';
import { auditOf, challengesOf, tablesHolding } from '@/tests/helpers/database/authRows';
import { login, me } from '@/tests/helpers/http/authCalls';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import {
  OWN_PASSWORD,
  addressOf,
  askForAddress,
  newAddress,
  openLink,
  pathIn,
  pressButton,
  openEmailScene,
} from '@/tests/helpers/mail/emailScene';
import type { EmailScene } from '@/tests/helpers/mail/emailScene';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

let scene: EmailScene;
let server: EmailScene['server'];
let node: EmailScene['node'];
let other: EmailScene['node'];

beforeAll(async () => {
  scene = await openEmailScene();
  ({ server, node } = scene);
  other = openMailNode(scene.server);
});

describe('a change of address', () => {
  it('takes effect at the click on the link in the mail to the new address, and not before', async () => {
    const { who, email, path } = await scene.asked();
    expect(await addressOf(who.userId)).toBe(who.email);
    expect((await login(node.app, who)).status).toBe(200);
    const res = await pressButton(node.app, path);
    expect(res.status).toBe(200);
    expect(res.text).toContain('Your e-mail address was changed');
    expect((await login(node.app, { ...who, email })).status).toBe(200);
    expect((await login(node.app, who)).status).toBe(401);
    expect((await me(node.app, who.token)).body.email).toBe(email);
  });

  it('is stored in the normal form of the new address', async () => {
    const who = await seedTestUserAndToken();
    const email = newAddress();
    const res = await askForAddress(node.app, who.token, `  ${email.toUpperCase()} `);
    expect(res.body.email).toBe(email);
    await pressButton(node.app, pathIn((await server.mailTo(email)).text));
    expect(await addressOf(who.userId)).toBe(email);
  });

  it('is announced to the old address when it is asked for and when it is done, with a link each', async () => {
    const { who, path } = await scene.asked();
    const [before] = await scene.mailsTo(who.email, /^A new e-mail address was asked for/);
    await pressButton(node.app, path);
    const [after] = await scene.mailsTo(who.email, /^Your e-mail address was changed/);
    for (const mail of [before, after]) {
      expect(mail?.text).toMatch(/https:\/\/id\.example\/api\/security\/notices\/ntc_[\w-]{43}\n/);
    }
    expect(after?.text).toContain('last mail to this address');
    expect((await mailsOf(who)).map(({ kind }) => kind).sort()).toEqual([
      'email_change',
      'email_change_requested',
      'email_changed',
    ]);
  });

  it('is recorded in each tenant of the person, without an address, and in none that they have left', async () => {
    const { who, email, path } = await scene.asked();
    const second = await seedTestUserAndToken();
    const left = await seedTestUserAndToken();
    for (const [{ tenantId }, status] of [
      [second, 'active'],
      [left, 'removed'],
    ] as const) {
      await db.insert(tenantStaff).values({ tenantId, userId: who.userId, status });
    }
    expect((await pressButton(node.app, path)).status).toBe(200);
    for (const { tenantId } of [who, second]) {
      const events = await auditOf('STAFF_EMAIL_CHANGED', tenantId);
      expect(events).toMatchObject([
        { outcome: 'success', details: { change: 'renamed', via: 'api' } },
      ]);
      expect(JSON.stringify(events)).not.toContain('@');
    }
    expect(await auditOf('STAFF_EMAIL_CHANGED', left.tenantId)).toEqual([]);
    const requests = await auditOf('EMAIL_CHANGE_REQUESTED', who.tenantId);
    expect(requests).toMatchObject([{ actor: who.staffId, subject: `staff:${who.staffId}` }]);
    expect(JSON.stringify(requests)).not.toContain(email);
  });

  it('ends pending proofs, links for a new password and other changes, but no session', async () => {
    const { who, path } = await scene.asked();
    await request(node.app)
      .post('/api/auth/email')
      .set('authorization', `Bearer ${who.token}`)
      .send({ email: newAddress(), currentPassword: OWN_PASSWORD });
    const expiresAt = new Date(Date.now() + 600_000);
    await db.insert(passwordResets).values({ userId: who.userId, expiresAt });
    expect((await pressButton(node.app, path)).status).toBe(200);
    expect(await challengesOf(who.staffId)).toMatchObject([{ revokedAt: expect.any(Date) }]);
    expect(
      await db.select().from(passwordResets).where(eq(passwordResets.userId, who.userId)),
    ).toMatchObject([{ endedAt: expect.any(Date) }]);
    expect((await me(node.app, who.token)).status).toBe(200);
  });

  it('happens once, by fifty clicks at once on two nodes: one event, and every click sees the result', async () => {
    const { who, email, path } = await scene.asked();
    const clicks = Array.from({ length: 50 }, (_, n) =>
      pressButton(n % 2 ? node.app : other.app, path),
    );
    const answers = await Promise.all(clicks);
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(await addressOf(who.userId)).toBe(email);
    expect(await auditOf('STAFF_EMAIL_CHANGED', who.tenantId)).toHaveLength(1);
    const kinds = (await mailsOf(who)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'email_changed')).toHaveLength(1);
  });

  it('is refused at the click if somebody else has the address by then: 409, and nothing is lost', async () => {
    const { who, email, path } = await scene.asked();
    const rival = await seedTestUserAndToken({ email });
    const res = await pressButton(node.app, path);
    expect([res.status, res.body.error]).toEqual([409, 'EMAIL_TAKEN']);
    expect(await addressOf(who.userId)).toBe(who.email);
    expect(await auditOf('STAFF_EMAIL_CHANGED', who.tenantId)).toEqual([]);
    await db.update(users).set({ email: newAddress() }).where(eq(users.id, rival.userId));
    expect((await pressButton(node.app, path)).status).toBe(200);
    expect(await addressOf(who.userId)).toBe(email);
  });

  it('of two people to one address at once: one gets it, the other one learns it', async () => {
    const email = newAddress();
    const both = await Promise.all([seedTestUserAndToken(), seedTestUserAndToken()]);
    for (const { token } of both)
      expect((await askForAddress(node.app, token, email)).status).toBe(202);
    const mails = await scene.mailsTo(email, /^Confirm/, 2);
    const answers = await Promise.all(mails.map(({ text }) => pressButton(node.app, pathIn(text))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const addresses = await Promise.all(both.map(({ userId }) => addressOf(userId)));
    expect(addresses.filter((one) => one === email)).toHaveLength(1);
  });
});

describe('the link', () => {
  it('shows a page with one button, which loads nothing, runs nothing and names nobody; nothing changes', async () => {
    const { who, email, path } = await scene.asked();
    for (let times = 0; times < 3; times += 1) {
      const res = await openLink(node.app, path);
      expect(res.status).toBe(200);
      expect(res.headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
      });
      expect(res.text.match(/<form method="post">/g)).toHaveLength(1);
      expect(res.text).not.toMatch(/<script|<img|<link|<iframe|src=|href=|url\(|@import|\son\w+=/i);
      for (const word of [email, who.email, who.staffId, path])
        expect(res.text).not.toContain(word);
    }
    expect((await request(node.app).head(path)).status).toBe(200);
    expect(await addressOf(who.userId)).toBe(who.email);
    expect(await auditOf('STAFF_EMAIL_CHANGED', who.tenantId)).toEqual([]);
  });

  it('after its use shows what was done, and does nothing', async () => {
    const { who, path } = await scene.asked();
    await pressButton(node.app, path);
    const back = newAddress();
    await db.update(users).set({ email: back }).where(eq(users.id, who.userId));
    for (const res of [await openLink(node.app, path), await pressButton(node.app, path)]) {
      expect([res.status, res.text.includes('<form')]).toEqual([200, false]);
    }
    expect(await addressOf(who.userId)).toBe(back);
  });

  it('forged, cut, spelt otherwise or tagged for something else is 404, like one that never was', async () => {
    const { who, path } = await scene.asked();
    const token = path.split('/').at(-1) ?? '';
    const [row] = await db.select().from(emailChanges).where(eq(emailChanges.userId, who.userId));
    const id = row?.id ?? '';
    const flip = (at: number) =>
      token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    const purposes = (['notice', 'challenge', 'email-code'] as const).map((purpose) =>
      tagId(node.deps.keys, { purpose, prefix: 'emc_' }, id),
    );
    const never = tagId(node.deps.keys, { purpose: 'email-change', prefix: 'emc_' }, who.userId);
    const all = [...token].map((_character, at) => flip(at));
    all.push(id, `emc_${id}`, `${token}=`, token.slice(0, -1), token.toLowerCase(), never);
    const nowhere = visibleAnswer(await openLink(node.app, `/api/auth/email/${'x'.repeat(47)}`));
    for (const one of [...all, ...purposes]) {
      expect(visibleAnswer(await openLink(node.app, `/api/auth/email/${one}`))).toEqual(nowhere);
      expect(visibleAnswer(await pressButton(node.app, `/api/auth/email/${one}`))).toEqual(nowhere);
    }
    expect(await addressOf(who.userId)).toBe(who.email);
  });

  it('is stored in no column of any table, and is not in the log', async () => {
    const { path } = await scene.asked();
    await pressButton(node.app, path);
    await node.deps.mail.settle();
    const token = path.split('/').at(-1) ?? '';
    expect(await tablesHolding(token)).toEqual([]);
    expect(node.log()).toContain('"route":"/api/auth/email/:token"');
    expect(node.log()).not.toContain('emc_');
  });
});

import { eq } from 'drizzle-orm';
import { renameStaff } from '@/server/tenants';
import { db } from '@/server/db';
import { userSessions, users } from '@/server/db/schema';
import { auditOf, setStaffStatus, tablesHolding } from '@/tests/helpers/database/authRows';
import { login, logout } from '@/tests/helpers/http/authCalls';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import {
  newAddress,
  openEmailScene,
  openLink,
  pathIn,
  pressButton,
} from '@/tests/helpers/mail/emailScene';
import type { EmailScene } from '@/tests/helpers/mail/emailScene';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import {
  askForProofLink,
  changeName,
  provePassword,
  signInByProvider,
} from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

let scene: EmailScene;
let node: EmailScene['node'];
let other: EmailScene['node'];

beforeAll(async () => {
  scene = await openEmailScene();
  ({ node } = scene);
  other = openMailNode(scene.server);
});

interface InProvider {
  member: SeededAuth;
  token: string;
  sessionId: string;
}

async function enterByProvider(member?: SeededAuth): Promise<InProvider> {
  const who = member ?? (await seedTestUserAndToken());
  const { accessToken, sessionId } = await signInByProvider(node.deps, who);
  return { member: who, token: accessToken, sessionId: sessionId ?? '' };
}

/** Asks for a link, and returns the path of the newest one. */
async function mailedLink({ member, token }: InProvider, most = 1): Promise<string> {
  expect((await askForProofLink(node.app, token)).status).toBe(202);
  const mails = await scene.mailsTo(member.email, /^Confirm that you are signed in/, most);
  return pathIn(mails.at(-1)?.text);
}

const mayActFor = async (app: EmailScene['node']['app'], token: string) =>
  (await changeName(app, token)).status === 200;

const rowOf = async (sessionId: string) => {
  const [row] = await db.select().from(userSessions).where(eq(userSessions.id, sessionId));
  return row;
};

describe('the current password', () => {
  it('proves the person in this session, on every node at the next request, and in no other session', async () => {
    const one = await enterByProvider();
    const two = await enterByProvider(one.member);
    for (const { app } of [node, other]) expect(await mayActFor(app, one.token)).toBe(false);
    expect((await provePassword(node.app, one.token, one.member.password)).status).toBe(204);
    for (const { app } of [node, other]) expect(await mayActFor(app, one.token)).toBe(true);
    expect(await mayActFor(node.app, two.token)).toBe(false);
    expect(await auditOf('OWN_PROOF_GIVEN', one.member.tenantId)).toMatchObject([
      {
        actor: one.member.staffId,
        subject: `session:${one.sessionId}`,
        details: { with: 'current_password' },
      },
    ]);
  });

  it('counts as a failed sign-in if it is wrong, and locks the account like one', async () => {
    const one = await enterByProvider();
    const wrong = await provePassword(node.app, one.token, 'a wrong enough password');
    expect(wrong.body).toMatchObject({ error: 'WRONG_PASSWORD' });
    expect(await auditOf('OWN_PROOF_REFUSED', one.member.tenantId)).toMatchObject([
      { outcome: 'failure', details: { reason: 'wrong_password' } },
    ]);
    for (let guess = 0; guess < 10; guess += 1) {
      await provePassword(node.app, one.token, 'a wrong enough password');
    }
    const locked = await provePassword(node.app, one.token, one.member.password);
    expect(locked.body).toMatchObject({ error: 'TOO_MANY_ATTEMPTS' });
    expect(await mayActFor(node.app, one.token)).toBe(false);
    expect((await login(node.app, one.member)).status).toBe(401);
  });
});

describe('a person without a password', () => {
  it('is told so, and proves their mailbox instead', async () => {
    const one = await enterByProvider();
    await db.update(users).set({ passwordHash: null }).where(eq(users.id, one.member.userId));
    const answer = await provePassword(node.app, one.token, one.member.password);
    expect(answer.body).toMatchObject({ error: 'NO_PASSWORD' });
    expect((await pressButton(node.app, await mailedLink(one))).status).toBe(200);
    expect(await mayActFor(node.app, one.token)).toBe(true);
  });
});

describe('a mailed link', () => {
  it('proves the person in the session that asked for it, at a click and not at a look', async () => {
    const one = await enterByProvider();
    const two = await enterByProvider(one.member);
    const path = await mailedLink(one);
    const looked = await openLink(other.app, path);
    expect(looked.status).toBe(200);
    expect(looked.text).toContain('<form method="post">');
    expect(await mayActFor(node.app, one.token)).toBe(false);
    expect((await pressButton(other.app, path)).status).toBe(200);
    expect(await mayActFor(node.app, one.token)).toBe(true);
    expect(await mayActFor(node.app, two.token)).toBe(false);
    const [event] = await auditOf('OWN_PROOF_GIVEN', one.member.tenantId);
    expect(event).toMatchObject({
      actor: 'anonymous',
      subject: `session:${one.sessionId}`,
      details: { with: 'mailed_link' },
    });
    expect(await auditOf('OWN_PROOF_REQUESTED', one.member.tenantId)).toMatchObject([
      { actor: one.member.staffId, subject: `session:${one.sessionId}` },
    ]);
    for (const again of [await openLink(node.app, path), await pressButton(node.app, path)]) {
      expect(again.status).toBe(404);
    }
  });

  it('marks once if fifty requests use it at the same time, over two nodes', async () => {
    const one = await enterByProvider();
    const path = await mailedLink(one);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => pressButton((at % 2 ? node : other).app, path)),
    );
    expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 404]));
    expect(await auditOf('OWN_PROOF_GIVEN', one.member.tenantId)).toHaveLength(1);
  });

  it('is in no table and in no log', async () => {
    const one = await enterByProvider();
    const token = (await mailedLink(one)).split('/').at(-1) ?? '';
    expect(token).toMatch(/^opl_/);
    expect(await tablesHolding(token)).toEqual([]);
    expect(node.log()).not.toContain(token);
  });

  it('ends with a newer one, with the other proof, and after fifteen minutes', async () => {
    const one = await enterByProvider();
    const first = await mailedLink(one);
    const second = await mailedLink(one, 2);
    expect((await pressButton(node.app, first)).status).toBe(404);
    expect((await openLink(node.app, second)).status).toBe(200);
    expect((await provePassword(node.app, one.token, one.member.password)).status).toBe(204);
    expect((await pressButton(node.app, second)).status).toBe(404);
    const two = await enterByProvider();
    const late = await mailedLink(two);
    await db
      .update(userSessions)
      .set({ ownProofLinkUntil: new Date(node.clock.now().getTime() - 1) })
      .where(eq(userSessions.id, two.sessionId));
    expect((await pressButton(node.app, late)).status).toBe(404);
    expect((await rowOf(two.sessionId))?.ownProofAt).toBeNull();
  });

  it('expires fifteen minutes after it was mailed', async () => {
    const one = await enterByProvider();
    const before = node.clock.now().getTime();
    const { body } = await askForProofLink(node.app, one.token);
    expect(new Date(body.expiresAt as string).getTime()).toBe(before + 15 * 60_000);
  });

  const ENDS: [string, (one: InProvider) => PromiseLike<unknown>][] = [
    ['was signed out', ({ token }) => logout(node.app, token)],
    ['is of a member who was disabled', ({ member }) => setStaffStatus(member.staffId, 'disabled')],
    [
      'is past its end',
      ({ sessionId }) =>
        db
          .update(userSessions)
          .set({ expiresAt: new Date(node.clock.now().getTime() - 1) })
          .where(eq(userSessions.id, sessionId)),
    ],
    [
      'is of an earlier version of the member',
      ({ sessionId }) =>
        db.update(userSessions).set({ sessionVersion: 0 }).where(eq(userSessions.id, sessionId)),
    ],
    [
      'is of a person whose address was changed since',
      ({ member: { userId, email } }) =>
        renameStaff(node.deps, operatorContext, { userId, from: email, to: newAddress() }),
    ],
  ];
  it.each(ENDS)('does nothing for a session that %s', async (_what, end) => {
    const one = await enterByProvider();
    const path = await mailedLink(one);
    await end(one);
    const nowhere = visibleAnswer(
      await openLink(node.app, `/api/auth/own-proof/${'x'.repeat(47)}`),
    );
    expect(visibleAnswer(await openLink(node.app, path))).toEqual(nowhere);
    expect((await pressButton(node.app, path)).status).toBe(404);
    expect((await rowOf(one.sessionId))?.ownProofAt).toBeNull();
  });

  it('is mailed eight times a day at most, for each tenant by itself', async () => {
    const one = await enterByProvider();
    const statuses: number[] = [];
    for (let mail = 0; mail < 9; mail += 1) {
      statuses.push((await askForProofLink(node.app, one.token)).status);
    }
    expect(statuses).toEqual([202, 202, 202, 202, 202, 202, 202, 202, 429]);
    const refused = await askForProofLink(other.app, one.token);
    expect(refused.body).toMatchObject({ error: 'TOO_MANY_ATTEMPTS' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('names the tenant, the place and the device in its mail, and not the password', async () => {
    const one = await enterByProvider();
    await mailedLink(one);
    const [mail] = await scene.mailsTo(one.member.email, /^Confirm that you are signed in/);
    expect(mail?.text).toMatch(/Somebody who is signed in to Tenant /);
    expect(mail?.text).toMatch(/Where: {2}/);
    expect(mail?.text).toMatch(/If this was not you, do not open the link/);
  });

  it('cannot be asked for where no mail can be sent', async () => {
    const { app, deps } = buildApp({ mail: { ...node.deps.config.mail, publicUrl: undefined } });
    const member = await seedTestUserAndToken();
    const { accessToken } = await signInByProvider(deps, member);
    const answer = await askForProofLink(app, accessToken);
    expect(answer.body).toMatchObject({ error: 'METHOD_UNAVAILABLE' });
  });
});

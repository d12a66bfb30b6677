import request from 'supertest';
import { challengesOf } from '@/tests/helpers/database/authRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server, { accessTokenTtlSec: 3600 });
});

const post = (token: string, path: string, body: object = {}) =>
  request(node.app).post(path).set('authorization', `Bearer ${token}`).send(body);
const ask = (token: string) => post(token, '/api/security/recovery-codes');
const sendMail = (token: string, challengeId: unknown) =>
  post(token, '/api/security/step-up/start', {
    ...{ method: 'email', purpose: 'security_settings', challengeId },
  });

/** Creates a person whose only proof is a code by e-mail. */
async function seedAsked() {
  const member = await seedTraveller(node.app, { factor: false });
  const { body } = await attemptLogin(node.app, member, HOME);
  const token = body.accessToken as string;
  const first = await ask(token);
  expect(first.status).toBe(428);
  return { ...member, token, first: first.body as { challengeId: string; expiresAt: string } };
}

const leftMs = (expiresAt: string) => Date.parse(expiresAt) - node.clock.now().getTime();

it('a challenge is offered again only while more than half of its life is left, and says when it ends', async () => {
  const { token, first, staffId } = await seedAsked();
  expect(leftMs(first.expiresAt)).toBe(600_000);
  node.clock.forward(299);
  expect((await ask(token)).body).toMatchObject(first);
  node.clock.forward(2);
  const { body } = await ask(token);
  expect(body.challengeId).not.toBe(first.challengeId);
  expect(leftMs(body.expiresAt as string)).toBe(600_000);
  // The earlier challenge is ended, so an answer without an id can only mean the new one.
  const open = (await challengesOf(staffId)).filter(({ revokedAt }) => revokedAt === null);
  expect(open).toHaveLength(1);
});

it('two requests at once are offered the same challenge', async () => {
  const { token } = await seedAsked();
  node.clock.forward(400);
  const answers = await Promise.all([1, 2, 3, 4].map(() => ask(token)));
  expect(new Set(answers.map(({ body }) => body.challengeId as string)).size).toBe(1);
});

it('a mail says how many whole minutes its code works, and none is sent in the last one', async () => {
  const { token, first, email } = await seedAsked();
  node.clock.forward(539);
  await sendMail(token, first.challengeId).expect(200);
  const { text } = await server.mailTo(email);
  expect(text).toContain('It works once, for 1 minute, on');
  node.clock.forward(2);
  const late = await sendMail(token, first.challengeId);
  expect([late.status, late.body.error]).toEqual([404, 'CHALLENGE_NOT_FOUND']);
});

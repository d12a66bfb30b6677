import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { emailChanges } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import {
  OWN_PASSWORD,
  askForAddress,
  newAddress,
  openEmailScene,
} from '@/tests/helpers/mail/emailScene';
import type { EmailScene } from '@/tests/helpers/mail/emailScene';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const DAY_SEC = 86_400;

let scene: EmailScene;
let server: EmailScene['server'];
let node: EmailScene['node'];
let other: EmailScene['node'];

beforeAll(async () => {
  scene = await openEmailScene();
  ({ server, node } = scene);
  other = openMailNode(scene.server);
});

describe('asking for an address that somebody else has', () => {
  it('looks exactly like asking for a free one: answer, event, notice and stored rows', async () => {
    const owner = await seedTestUserAndToken();
    const [one, two] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const free = newAddress();
    const answers = [
      await askForAddress(node.app, one.token, owner.email),
      await askForAddress(node.app, two.token, free),
    ];
    expect(visibleAnswer(answers[0] as request.Response).status).toBe(202);
    expect(answers.map(({ body }) => Object.keys(body as object))).toEqual([
      ['email', 'expiresAt'],
      ['email', 'expiresAt'],
    ]);
    const traces = await Promise.all(
      [one, two].map(async (who) => ({
        kinds: (await mailsOf(who)).map(({ kind }) => kind).sort(),
        events: (await auditOf('EMAIL_CHANGE_REQUESTED', who.tenantId)).map(
          ({ details, outcome }) => ({ details, outcome }),
        ),
        pending: (
          await db.select().from(emailChanges).where(eq(emailChanges.userId, who.userId))
        ).map(({ confirmedAt, endedAt }) => ({ confirmedAt, endedAt })),
        notice: (await scene.mailsTo(who.email, /^A new e-mail address was asked for/))[0]?.text
          .replaceAll(/ntc_\S+|Tenant \S+/g, '')
          .replaceAll(/\d\d:\d\d:\d\d/g, ''),
      })),
    );
    expect(traces[0]).toEqual(traces[1]);
  });

  it('sends that address a mail without a link, and nothing changes for its owner', async () => {
    const owner = await seedTestUserAndToken();
    const who = await seedTestUserAndToken();
    await askForAddress(node.app, who.token, owner.email);
    const { headers, text } = await server.mailTo(owner.email);
    expect(headers.get('subject')).toMatch(/^This e-mail address is already in use/);
    expect(text).not.toContain('https://');
    for (const word of [who.email, owner.email]) expect(text).not.toContain(word);
    expect((await me(node.app, owner.token)).status).toBe(200);
    expect(await mailsOf(owner)).toEqual([]);
  });
});

describe('an address for which many people ask', () => {
  it('gets eight mails a day, and the answers are all the same', async () => {
    const email = newAddress();
    const people = await Promise.all(Array.from({ length: 12 }, () => seedTestUserAndToken()));
    const answers = await Promise.all(
      people.map(({ token }, n) => askForAddress(n % 2 ? node.app : other.app, token, email)),
    );
    expect(answers.map(({ status }) => status)).toEqual(people.map(() => 202));
    const mailed = await Promise.all(people.map(mailsOf));
    const kinds = mailed.flat().map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'email_change')).toHaveLength(8);
    expect(kinds.filter((kind) => kind === 'email_change_requested')).toHaveLength(12);
  });
});

describe('a request that is refused', () => {
  it('without a proof is 428, and one proof is good for one address, once', async () => {
    const who = await seedTestUserAndToken();
    const secret = await giveFactor(who);
    const [email, another] = [newAddress(), newAddress()];
    const send = (to: string) =>
      request(node.app)
        .post('/api/auth/email')
        .set('authorization', `Bearer ${who.token}`)
        .send({ email: to, currentPassword: OWN_PASSWORD });
    const first = await send(email);
    expect([first.status, first.body.purpose]).toEqual([428, 'security_settings']);
    const code = codeAt(secret, node.clock.now());
    const { challengeId } = first.body as { challengeId: string };
    await request(node.app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${who.token}`)
      .send({ code, purpose: 'security_settings', challengeId })
      .expect(200);
    expect((await send(another)).status).toBe(428);
    expect((await send(email)).status).toBe(202);
    expect((await send(email)).status).toBe(428);
  });

  it('with a wrong password is 403 and counted, so a stolen session with a new factor is not enough', async () => {
    const who = await seedTestUserAndToken();
    await giveFactor(who);
    const wrong = () => askForAddress(node.app, who.token, newAddress(), 'not the password');
    const res = await wrong();
    expect([res.status, res.body.error]).toEqual([403, 'WRONG_PASSWORD']);
    for (let times = 2; times <= 10; times += 1) expect((await wrong()).status).toBe(403);
    const locked = await askForAddress(other.app, who.token, newAddress());
    expect([locked.status, locked.body.error]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
    expect(await auditOf('EMAIL_CHANGE_REQUESTED', who.tenantId)).toEqual([]);
    const refused = await auditOf('EMAIL_CHANGE_REFUSED', who.tenantId);
    expect(refused.map(({ details }) => details['reason'])).toEqual([
      ...Array<string>(10).fill('wrong_password'),
      'account_locked',
    ]);
    const changes = sql`SELECT FROM email_changes WHERE user_id = ${who.userId}`;
    expect((await db.execute(changes)).rows).toEqual([]);
  });

  it('past five a day is 429 with the time to wait, also for fifteen at once on two nodes', async () => {
    const who = await seedTestUserAndToken();
    const many = Array.from({ length: 15 }, (_, n) =>
      askForAddress(n % 2 ? node.app : other.app, who.token, newAddress()),
    );
    const answers = await Promise.all(many);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(answers.length - refused.length).toBe(5);
    for (const { status, body, headers } of refused) {
      expect([status, body.error]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
      expect(Number(headers['retry-after'])).toBeGreaterThan(DAY_SEC - 600);
    }
    const pending = await db.execute(
      sql`SELECT FROM email_changes WHERE user_id = ${who.userId} AND ended_at IS NULL`,
    );
    expect(pending.rows).toHaveLength(1);
  });

  it.each([
    ['no address', 'nobody'],
    ['two addresses', 'a@b.example, c@d.example'],
    ['a line break', 'a@b.example\nBcc: c@d.example'],
    ['an object', { a: 1 }],
    ['missing', undefined],
  ])('because it is %s is 400', async (_what, email) => {
    const { token, userId } = await seedTestUserAndToken();
    const res = await askForAddress(node.app, token, email);
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    expect(await db.select().from(emailChanges).where(eq(emailChanges.userId, userId))).toEqual([]);
  });

  it('because it is the own address already is 400, in any spelling', async () => {
    const who = await seedTestUserAndToken();
    expect((await askForAddress(node.app, who.token, who.email.toUpperCase())).status).toBe(400);
    expect(await mailsOf(who)).toEqual([]);
  });

  it('because no mail with a link can be sent is 409, and nothing is stored', async () => {
    const silent = openMailNode(server, { mail: server.settings({ publicUrl: undefined }) });
    const who = await seedTestUserAndToken();
    const res = await askForAddress(silent.app, who.token, newAddress());
    expect([res.status, res.body.error]).toEqual([409, 'METHOD_UNAVAILABLE']);
    expect(await mailsOf(who)).toEqual([]);
  });
});

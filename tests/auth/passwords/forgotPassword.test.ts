import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { Client } from 'pg';
import { db } from '@/server/db';
import { tenants, users } from '@/server/db/schema';
import { auditOf, tablesHolding } from '@/tests/helpers/database/authRows';
import { cookieOf, fromAddress, login } from '@/tests/helpers/http/authCalls';
import { forgot } from '@/tests/helpers/http/passwordCalls';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { openResetLinks } from '@/tests/helpers/mail/resetLinks';
import type { ResetLinks } from '@/tests/helpers/mail/resetLinks';
import { HOME } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

let links: ResetLinks;
let node: ResetLinks['node'];
beforeAll(async () => {
  links = await openResetLinks();
  ({ node } = links);
});

describe('asking for a link', () => {
  const unknown = () => `nobody-${randomUUID()}@example.com`;

  it('is answered alike for an unknown, a disabled and a known address', async () => {
    const [known, disabled, suspended] = [
      await seedTestUserAndToken(),
      await seedTestUserAndToken(),
      await seedTestUserAndToken(),
    ];
    await db.update(users).set({ status: 'disabled' }).where(eq(users.id, disabled.userId));
    await db.update(tenants).set({ status: 'suspended' }).where(eq(tenants.id, suspended.tenantId));
    const answers = [];
    for (const email of [known.email, unknown(), disabled.email, suspended.email]) {
      answers.push(visibleAnswer(await forgot(node.app, email, HOME)));
    }
    expect(answers[0]).toMatchObject({ status: 202, text: '{"accepted":true}' });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await links.linksTo(known)).toHaveLength(1);
    for (const nobody of [disabled, suspended]) expect(await links.linksTo(nobody)).toEqual([]);
  });

  it('sends the same statements before the answer, known or not, within the budget or past it', async () => {
    const member = await seedTestUserAndToken();
    const seen: string[] = [];
    const real = Client.prototype.query as (...args: unknown[]) => unknown;
    // Before the node opens its connections, which keep the function that they find.
    Client.prototype.query = function (this: Client, ...args: unknown[]) {
      const [first] = args;
      seen.push(typeof first === 'string' ? first : ((first as { text?: string }).text ?? ''));
      return real.apply(this, args);
    } as typeof Client.prototype.query;
    try {
      const fresh = openMailNode(links.server);
      // Holds back what is done beside the answer.
      jest.spyOn(fresh.deps.mail, 'aside').mockImplementation(() => undefined);
      const statementsOf = async (email: string) => {
        seen.length = 0;
        expect((await forgot(fresh.app, email, fromAddress('203.0.113.77'))).status).toBe(202);
        return seen.filter((text) => /failed_attempts|known_|users|password_resets/.test(text));
      };
      const [first, second] = [await statementsOf(member.email), await statementsOf(unknown())];
      expect(first).toHaveLength(2);
      expect(second).toEqual(first);
      for (let times = 0; times < 5; times += 1) {
        expect(await statementsOf(member.email)).toEqual(first);
      }
    } finally {
      Client.prototype.query = real as typeof Client.prototype.query;
    }
  });

  it('mails a link that works for 20 minutes, to the person alone, and it is nowhere else', async () => {
    const { member, path } = await links.forgetful();
    const mail = await links.server.mailTo(member.email);
    expect(mail.headers.get('subject')).toBe('Choose a new password');
    expect(mail.text).toContain('for 20 minutes');
    expect(mail.text).not.toContain(member.tenantSlug);
    const token = path.split('/').at(-1) ?? '';
    expect(node.log()).not.toContain(token);
    expect(await tablesHolding(token)).toEqual([]);
    expect(await auditOf('PASSWORD_RESET_REQUESTED', member.tenantId)).toMatchObject([
      { actor: 'anonymous', subject: `staff:${member.staffId}`, details: {} },
    ]);
  });

  it('floods no mailbox: three mails in a quarter of an hour, ten a day, whatever the addresses', async () => {
    const member = await seedTestUserAndToken();
    const flood = (round: number) =>
      Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          forgot(node.app, member.email, fromAddress(`198.51.${round}.${index}`)),
        ),
      );
    const answers = await flood(0);
    for (const { status } of answers) expect(status).toBe(202);
    expect(await links.linksTo(member)).toHaveLength(3);
    for (let round = 1; round < 6; round += 1) {
      node.clock.forward(16 * 60);
      await flood(round);
      await node.deps.mail.settle();
    }
    expect(await links.linksTo(member)).toHaveLength(10);
    // The owner, on a device of theirs, has a budget of their own.
    const signedIn = await login(node.app, member, HOME);
    const cookie = { ...HOME, cookie: cookieOf(signedIn, 'gh_device') };
    expect((await forgot(node.app, member.email, cookie)).status).toBe(202);
    expect(await links.linksTo(member)).toHaveLength(11);
  });

  it('many addresses from one place stop at a budget', async () => {
    const members = await Promise.all(Array.from({ length: 35 }, () => seedTestUserAndToken()));
    const from = fromAddress('198.51.100.200');
    for (const { email } of members) await forgot(node.app, email, from);
    const paths = [];
    for (const member of members) paths.push(...(await links.linksTo(member)));
    expect(paths).toHaveLength(30);
  });

  it.each([
    ['mail', { smtp: undefined }],
    ['PUBLIC_URL', { publicUrl: undefined }],
  ])('without %s is answered alike, and the operator sees a log line', async (_what, change) => {
    const settings = { ...links.server.settings(change), ...change };
    const production = { mail: settings, production: true };
    const bare = openMailNode(links.server, production);
    const member = await seedTestUserAndToken();
    const answer = visibleAnswer(await forgot(bare.app, member.email, HOME));
    expect(answer).toEqual(visibleAnswer(await forgot(node.app, unknown(), HOME)));
    await bare.deps.mail.settle();
    expect(await links.linksTo(member)).toEqual([]);
    expect(bare.log()).toContain('set SMTP_URL and PUBLIC_URL');
    expect(bare.log()).not.toContain(member.email);
  });
});

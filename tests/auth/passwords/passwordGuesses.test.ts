import { cookieOf, fromAddress, login } from '@/tests/helpers/http/authCalls';
import { NEW_PASSWORD, changePassword } from '@/tests/helpers/http/passwordCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { ABROAD, HOME } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  const server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

describe('guessing the current password', () => {
  const guess = (member: SeededAuth, from: Record<string, string> = {}) =>
    changePassword(node.app, { ...member, password: 'not the password' }, NEW_PASSWORD, from);

  it('with a stolen session uses up the tries of a login: then the right one is not looked at either', async () => {
    const member = await seedTestUserAndToken();
    const perWindow = node.deps.config.loginFailures.perAccount;
    for (let tries = 0; tries < perWindow; tries += 1) {
      expect((await guess(member)).body.error).toBe('WRONG_PASSWORD');
    }
    const right = await changePassword(node.app, member);
    expect([right.status, right.body.error]).toEqual([429, 'TOO_MANY_ATTEMPTS']);
    // A login as a stranger draws on the same tries.
    expect((await login(node.app, member, ABROAD)).status).toBe(401);
  });

  it('and failed logins count for it too', async () => {
    const member = await seedTestUserAndToken();
    const perWindow = node.deps.config.loginFailures.perAccount;
    for (let tries = 0; tries < perWindow; tries += 1) {
      await login(node.app, { ...member, password: 'not the password' }, ABROAD);
    }
    expect((await changePassword(node.app, member)).status).toBe(429);
  });

  it('evaluates no more than the budget, also 60 at once over two nodes', async () => {
    const member = await seedTestUserAndToken();
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        changePassword(
          index % 2 === 0 ? node.app : other.app,
          { ...member, password: 'not the password' },
          NEW_PASSWORD,
          fromAddress(`198.51.100.${index}`),
        ),
      ),
    );
    const looked = results.filter(({ body }) => body.error === 'WRONG_PASSWORD');
    expect(looked.length).toBeGreaterThan(0);
    expect(looked.length).toBeLessThanOrEqual(40);
  });

  it('does not lock the owner out: a known device still signs in and changes the password', async () => {
    const member = await seedTestUserAndToken();
    const signedIn = await login(node.app, member, HOME);
    const cookie = { ...HOME, cookie: cookieOf(signedIn, 'gh_device') };
    for (let tries = 0; tries < 20; tries += 1) await guess(member, ABROAD);
    expect((await changePassword(node.app, member, NEW_PASSWORD, ABROAD)).status).toBe(429);
    const own = { ...member, accessToken: String(signedIn.body.accessToken) };
    expect((await changePassword(node.app, own, NEW_PASSWORD, cookie)).status).toBe(200);
  });
});

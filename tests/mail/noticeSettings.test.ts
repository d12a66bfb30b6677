import { forceLogout } from '@/server/tenants';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const PHONE = { ...HOME, 'user-agent': 'A phone (Phone OS 7)' };

let server: MailServer;

beforeAll(async () => {
  server = await startMailServer();
});

describe('the settings', () => {
  it('without PUBLIC_URL leave out the link, and say what to do instead', async () => {
    const { app, deps } = openMailNode(server, { mail: server.settings({ publicUrl: undefined }) });
    const member = await seedTraveller(app, { factor: false });
    await attemptLogin(app, member, PHONE);
    await deps.mail.settle();
    const { text } = await server.mailTo(member.email);
    expect(text).not.toMatch(/https?:|notices/);
    expect(text).toContain('sign out on all devices, and tell an administrator');
  });

  it('with a path in PUBLIC_URL lead through the gateway that serves Gatehouse there', async () => {
    const mail = server.settings({ publicUrl: 'https://example.com/auth' });
    const { deps } = openMailNode(server, { mail });
    const member = await seedTestUserAndToken();
    await forceLogout(deps, operatorContext, member.tenantId, member.staffId);
    const { text } = await server.mailTo(member.email);
    expect(text).toMatch(/https:\/\/example\.com\/auth\/api\/security\/notices\/ntc_\S+/);
  });

  it('without SMTP_URL in production queue nothing, and say that mail is not available', async () => {
    const none = { smtp: undefined, from: undefined, publicUrl: undefined };
    const { app, deps } = buildApp({ nodeEnv: 'production', production: true, mail: none });
    expect(deps.mail.isAvailable()).toBe(false);
    const member = await seedTraveller(app, { factor: false });
    expect((await attemptLogin(app, member, PHONE)).status).toBe(200);
    await forceLogout(deps, operatorContext, member.tenantId, member.staffId);
    expect(await mailsOf(member)).toEqual([]);
  });

  it('without SMTP_URL elsewhere write the mail to the log, as one line', async () => {
    const none = { smtp: undefined, from: undefined, publicUrl: undefined };
    const { app, deps, log } = openMailNode(server, { mail: none });
    const member = await seedTraveller(app, { factor: false });
    await attemptLogin(app, member, PHONE);
    await deps.mail.settle();
    const lines = log().split('\n');
    const found = lines.filter((line) => line.includes('a mail was not sent'));
    expect(found.map((line) => JSON.parse(line) as object)).toMatchObject([
      {
        mail: { to: member.email, text: expect.stringContaining('had not been used there before') },
      },
    ]);
    expect(await mailsOf(member)).toMatchObject([{ sealed: null, lastError: null }]);
  });
});

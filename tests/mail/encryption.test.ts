import type { SMTPServerOptions } from 'smtp-server';
import type { SmtpSettings } from '@/server/config/mailSettings';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailRow, queueOne } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';

const AUTH = { user: 'gatehouse', pass: 'hunter2-of-the-mail-server' };

/** Makes one try with a server of this kind and these settings. */
async function tryOnce(options: SMTPServerOptions, change: Partial<SmtpSettings>) {
  const seen: string[] = [];
  const server = await startMailServer({
    onAuth({ username, password }, _session, done) {
      seen.push(`${username}:${password}`);
      if (password === AUTH.pass) done(null, { user: username });
      else done(new Error(`no such user ${username}`));
    },
    ...options,
  });
  const settings = server.settings();
  const smtp = settings.smtp && { ...settings.smtp, ...change };
  const { deps, log } = openMailNode(server, { mail: { ...settings, smtp } });
  const id = await queueOne(deps);
  deps.mail.wake();
  await deps.mail.settle();
  await deps.mail.close();
  return { row: await mailRow(id), server, seen, log: log() };
}

/** With `disabledCommands` empty, the server offers STARTTLS, with a self-signed certificate. */
const OFFERS: SMTPServerOptions = { disabledCommands: [] };

const CASES: readonly [string, SMTPServerOptions, SmtpSettings['tls']][] = [
  ['from the first byte, where nobody vouches for its certificate', { secure: true }, 'implicit'],
  ['where STARTTLS is required and not offered', {}, 'required'],
  ['where STARTTLS is required and nobody vouches for its certificate', OFFERS, 'required'],
  ['where STARTTLS is offered and nobody vouches for its certificate', OFFERS, 'offered'],
];

it.each(CASES)(
  'a server is told nothing, no password and no mail, %s',
  async (_name, options, tls) => {
    const done = await tryOnce(options, { tls, auth: AUTH });
    expect(done.seen).toEqual([]);
    expect(done.server.begun()).toBe(0);
    expect(done.row).toMatchObject({ sentAt: null, givenUpAt: null, tries: 1 });
    expect(done.row.lastError).toMatch(/^(ETLS|ESOCKET|ECONNECTION)/);
  },
);

it('the user and the password of SMTP_URL are given to the server, and to no log', async () => {
  const done = await tryOnce({ authOptional: false, allowInsecureAuth: true }, { auth: AUTH });
  // The mails of the tests above may be due again by now; each is a connection of its own.
  expect([...new Set(done.seen)]).toEqual([`${AUTH.user}:${AUTH.pass}`]);
  expect(done.row.sentAt).not.toBeNull();
  expect(done.log).not.toContain(AUTH.pass);
});

it('a password that the server refuses is a matter of settings: the mail is tried again, the log does not know it', async () => {
  const auth = { user: 'gatehouse', pass: 'the wrong one' };
  const done = await tryOnce({ authOptional: false, allowInsecureAuth: true }, { auth });
  expect(done.row).toMatchObject({ givenUpAt: null, sentAt: null });
  expect(done.row.lastError).toMatch(/^EAUTH 535/);
  expect(done.row.sealed).not.toBeNull();
  expect(done.log).not.toMatch(/the wrong one|dGhlIHdyb25n|no such user/);
});

import { db } from '@/server/db';
import { liveSessionsOf } from '@/tests/helpers/database/authRows';
import { refresh } from '@/tests/helpers/http/authCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailRow, mailsOf, queueOne, untilMail } from '@/tests/helpers/mail/mailRows';
import { HASTY_MS, hastenMails, startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const READER = 'reader@elsewhere.example';
const DAY_MS = 86_400_000;

let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeEach(async () => {
  await db.execute('DELETE FROM mails');
  server = await startMailServer();
  node = openMailNode(server, { mail: server.settings({}, HASTY_MS) });
});

// A node that still works would take the mails that the next test queues.
afterEach(() => node.deps.mail.close());

/** Sends the mails that are due, and waits until nothing is running. */
async function sendDue(): Promise<void> {
  node.deps.mail.wake();
  await node.deps.mail.settle();
}

const metric = async (outcome: string) => {
  const text = await node.deps.metrics.registry.metrics();
  return Number(new RegExp(`mails_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
};

describe('a mail server', () => {
  it.each([
    ['that is away', 'down', /^E\w+ 421/],
    ['that greylists', 'greylist', /^EENVELOPE 451 RCPT TO$/],
    ['that takes the text and falls silent', 'hang', /^ETIMEDOUT/],
    ['that answers each step in time and all of them too slowly', 'dawdle', /^(EABORT|ETIMEDOUT)/],
  ] as const)(
    '%s gets the mail again later, and then it arrives once',
    async (_name, how, error) => {
      server.behave(how);
      const id = await queueOne(node.deps);
      await sendDue();
      const row = await mailRow(id);
      expect(row).toMatchObject({ tries: 1, sentAt: null, givenUpAt: null });
      expect(row.lastError).toMatch(error);
      expect(row.nextTryAt.getTime()).toBeGreaterThan(Date.now());
      server.behave('accept');
      const before = server.received.length;
      await sendDue();
      expect(server.received.length).toBe(before);
      await hastenMails();
      await sendDue();
      expect(server.received.length).toBe(before + 1);
      expect(await mailRow(id)).toMatchObject({ tries: 2, sealed: null, lastError: null });
      expect([await metric('failed'), await metric('sent')]).toEqual([1, 1]);
    },
  );

  it('that is slow gets it nonetheless', async () => {
    server.behave('slow');
    await queueOne(node.deps);
    await sendDue();
    expect(server.received.length).toBe(1);
  });

  it.each([
    ['the recipient', 'refuse', 'EENVELOPE 550 RCPT TO'],
    ['the text', 'refuseText', 'EMESSAGE 554 DATA'],
  ] as const)('that refuses %s for good is not asked again', async (_name, how, lastError) => {
    server.behave(how);
    const id = await queueOne(node.deps);
    await sendDue();
    const row = await mailRow(id);
    expect(row).toMatchObject({ tries: 1, sealed: null, sentAt: null, lastError });
    expect(row.givenUpAt).not.toBeNull();
    await expectGivenUpLoudly(id, lastError);
    await hastenMails();
    await sendDue();
    expect(server.begun()).toBe(1);
  });

  it('is asked less and less often, at first after seconds, never less than hourly', async () => {
    server.behave('greylist');
    const id = await queueOne(node.deps);
    const waits: number[] = [];
    for (const tries of [1, 2, 3, 20]) {
      await db.execute(`UPDATE mails SET tries = ${tries - 1}`);
      await hastenMails();
      await sendDue();
      waits.push(((await mailRow(id)).nextTryAt.getTime() - Date.now()) / 1000);
    }
    // Less than the planned delay, by the time that reading took.
    const meant = [5, 10, 20, 3600];
    expect(waits.map((wait, at) => wait <= (meant[at] ?? 0))).toEqual(meant.map(() => true));
    expect(waits.map((wait, at) => wait > (meant[at] ?? 0) - 4)).toEqual(meant.map(() => true));
  });

  it('never holds up the request: it is answered while the server is silent', async () => {
    server.behave('hang');
    const member = await seedTestUserAndToken();
    expect((await refresh(node.app, member.refreshToken)).status).toBe(200);
    expect((await refresh(node.app, member.refreshToken)).status).toBe(401);
    expect(await liveSessionsOf(member.staffId)).toEqual([]);
    expect(await mailsOf(member)).toMatchObject([{ sentAt: null, lastError: null }]);
  });
});

/** Expects one error line, a metric, and no word of the mail itself. */
async function expectGivenUpLoudly(id: string, reason: string): Promise<void> {
  const lines = node.log().trim().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(parsed.filter(({ level }) => level === 50)).toMatchObject([
    { mailId: id, kind: 'step_up_code', reason, msg: expect.stringContaining('given up') },
  ]);
  expect(node.log()).not.toContain(READER);
  expect(await metric('given_up')).toBe(1);
}

describe('a mail is given up, loudly', () => {
  it('once it has expired, without a word to the server', async () => {
    const id = await queueOne(node.deps, { expiresAt: new Date(Date.now() - 1) });
    await sendDue();
    expect(await mailRow(id)).toMatchObject({ sealed: null, sentAt: null, lastError: 'expired' });
    await expectGivenUpLoudly(id, 'expired');
    expect(server.begun()).toBe(0);
  });

  it('after the fiftieth try', async () => {
    server.behave('greylist');
    const id = await queueOne(node.deps);
    await db.execute('UPDATE mails SET tries = 48');
    await sendDue();
    expect((await mailRow(id)).givenUpAt).toBeNull();
    await hastenMails();
    await sendDue();
    expect(await mailRow(id)).toMatchObject({ tries: 50, sealed: null });
    await expectGivenUpLoudly(id, 'EENVELOPE 451 RCPT TO');
  });

  it.each([
    'a@b.example>,<c@d.example',
    'a@b.example\r\nRCPT TO:<c@d.example>',
    'a@b.example, c@d.example',
    'Name <a@b.example>',
    'nobody',
  ])('where its recipient is not one plain address: %j', async (to) => {
    const id = await queueOne(node.deps, { to });
    await sendDue();
    expect(await mailRow(id)).toMatchObject({ lastError: 'not an address', sealed: null });
    await expectGivenUpLoudly(id, 'not an address');
    expect(server.begun()).toBe(0);
  });
});

it('adds no header through a subject with line breaks', async () => {
  const subject = 'One\r\nBcc: thief@evil.example\nTwo\r\n\r\nThree\u2028Four\u0085Five';
  await queueOne(node.deps, { subject });
  await sendDue();
  const mail = await server.mailTo(READER);
  expect(mail.headers.has('bcc')).toBe(false);
  expect(mail.headers.get('subject')).toBe('One Bcc: thief@evil.example Two Three Four Five');
});

it('sends four at a time, and first what expires first: a code does not wait for notices', async () => {
  const owner = await seedTestUserAndToken();
  const expiresAt = new Date(Date.now() + 3 * DAY_MS);
  for (let count = 0; count < 12; count += 1) {
    await queueOne(
      node.deps,
      { kind: 'new_device', to: `${count}@elsewhere.example`, expiresAt },
      owner,
    );
  }
  const code = await queueOne(node.deps, {}, owner);
  server.behave('hang');
  node.deps.mail.wake();
  await pollUntil(
    'four are sent',
    () => Promise.resolve(server.begun()),
    (begun) => begun === 4,
  );
  const claimed = (await mailsOf(owner)).filter(({ tries }) => tries > 0);
  expect(claimed.length).toBe(4);
  expect(claimed.map(({ id }) => id)).toContain(code);
  server.behave('accept');
  await node.deps.mail.settle();
  expect(server.received.length).toBe(9);
});

describe('a process that is told to stop', () => {
  it('lets a mail that is on its way arrive, and takes no other', async () => {
    server.behave('slow');
    const id = await queueOne(node.deps);
    node.deps.mail.wake();
    await untilMail(id, 'it is claimed', ({ tries }) => tries === 1);
    const late = await queueOne(node.deps);
    await node.deps.mail.close();
    node.deps.mail.wake();
    await node.deps.mail.settle();
    expect((await mailRow(id)).sentAt).not.toBeNull();
    expect(await mailRow(late)).toMatchObject({ tries: 0, sentAt: null });
  });

  it('breaks off a conversation that takes too long, and leaves the mail to the others at once', async () => {
    server.behave('hang');
    const settings = server.settings();
    const smtp = settings.smtp && { ...settings.smtp, timeoutMs: 20_000 };
    const { deps } = buildApp({ mail: { ...settings, smtp } });
    const id = await queueOne(deps);
    deps.mail.wake();
    await pollUntil(
      'it hangs',
      () => Promise.resolve(server.begun()),
      (begun) => begun === 1,
    );
    await deps.mail.close();
    expect(await mailRow(id)).toMatchObject({ sentAt: null, lastError: 'EABORT' });
    server.behave('accept');
    await sendDue();
    expect(server.received.length).toBe(1);
  });
});

it("is left to the serving nodes where an operator's command queues it", async () => {
  const { deps } = buildApp({ mail: server.settings() }, { sendsMail: false });
  expect(deps.mail.isAvailable()).toBe(true);
  const id = await queueOne(deps);
  deps.mail.start();
  deps.mail.wake();
  await deps.mail.settle();
  expect(await mailRow(id)).toMatchObject({ tries: 0, sentAt: null });
});

it('counts what waits, on all nodes, for whoever watches', async () => {
  server.behave('greylist');
  await queueOne(node.deps);
  await queueOne(node.deps);
  node.deps.mail.start();
  await pollUntil(
    'the figure is there',
    () => node.deps.metrics.registry.metrics(),
    (text) => text.includes('gatehouse_mails_waiting 2'),
  );
});

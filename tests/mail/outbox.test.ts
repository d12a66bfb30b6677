import { db } from '@/server/db';
import { queueMail } from '@/server/mail';
import { tablesHolding } from '@/tests/helpers/database/authRows';
import { mailRow, queueOne, untilMail } from '@/tests/helpers/mail/mailRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { HASTY_MS, hastenMails, startMailServer } from '@/tests/helpers/mail/mailServer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const READER = 'reader@elsewhere.example';

const metricsOf = async ({ deps }: { deps: ReturnType<typeof openMailNode>['deps'] }) =>
  deps.metrics.registry.metrics();

const SECRETS = [READER, 'Your code', '271828'];

describe('a queued mail', () => {
  it('is sent once its transaction has committed and somebody woke the mailer, as plain text', async () => {
    const server = await startMailServer();
    const { deps } = openMailNode(server);
    const id = await queueOne(deps, { text: 'Ihr Code für Sie: 271828.\nMehr nicht.' });
    deps.mail.wake();
    const mail = await server.mailTo(READER);
    expect(mail).toMatchObject({ from: 'security@gatehouse.example', to: [READER] });
    expect(mail.text.trim()).toBe('Ihr Code für Sie: 271828.\nMehr nicht.');
    expect(Object.fromEntries(mail.headers)).toMatchObject({
      from: 'Gatehouse <security@gatehouse.example>',
      to: READER,
      subject: 'Your code',
      'message-id': `<${id}@gatehouse.example>`,
      'auto-submitted': 'auto-generated',
      'content-type': 'text/plain; charset=utf-8',
    });
  });

  it('of a transaction that is rolled back is never sent', async () => {
    const server = await startMailServer();
    const { deps } = openMailNode(server);
    const { tenantId, userId, staffId } = await seedTestUserAndToken();
    const undone = db.transaction(async (tx) => {
      const content = { to: READER, subject: 'Not true', text: 'This did not happen.' };
      const owner = { tenantId, userId, staffId, kind: 'forced_logout' as const };
      await queueMail(deps, tx, { ...owner, ...content, expiresAt: new Date(Date.now() + 60_000) });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    deps.mail.wake();
    await deps.mail.settle();
    expect(server.begun()).toBe(0);
  });

  it('is sealed while it waits, and emptied once it was sent: no column of any table holds any of it', async () => {
    const server = await startMailServer();
    const { deps } = openMailNode(server);
    const id = await queueOne(deps);
    const hex = (text: string) => Buffer.from(text).toString('hex');
    const everywhere = async () =>
      Promise.all(SECRETS.flatMap((text) => [tablesHolding(text), tablesHolding(hex(text))]));
    expect((await mailRow(id)).sealed).not.toBeNull();
    expect((await everywhere()).flat()).toEqual([]);
    deps.mail.wake();
    const row = await untilMail(id, 'the mail is sent', ({ sentAt }) => sentAt !== null);
    expect(row).toMatchObject({ sealed: null, givenUpAt: null, lastError: null, tries: 1 });
    expect((await everywhere()).flat()).toEqual([]);
  });

  it('cannot be opened in the row of another mail: that one is given up, not sent', async () => {
    const server = await startMailServer();
    const { deps } = openMailNode(server);
    const [mine, other] = [
      await queueOne(deps),
      await queueOne(deps, { to: 'b@elsewhere.example' }),
    ];
    await db.execute(`UPDATE mails SET sealed = (SELECT sealed FROM mails WHERE id = '${mine}')
      WHERE id = '${other}'`);
    deps.mail.wake();
    const row = await untilMail(other, 'it is given up', ({ givenUpAt }) => givenUpAt !== null);
    expect(row).toMatchObject({ lastError: 'unreadable', sealed: null, sentAt: null });
    expect((await server.mailTo(READER)).headers.get('message-id')).toContain(mine);
  });

  it('leaves no word of itself in the log, whatever becomes of it', async () => {
    const server = await startMailServer();
    const { deps, log } = openMailNode(server, { mail: server.settings({}, HASTY_MS) });
    for (const behaviour of ['greylist', 'down', 'hang', 'refuse'] as const) {
      server.behave(behaviour);
      const id = await queueOne(deps);
      deps.mail.wake();
      await untilMail(id, 'it is refused', ({ lastError }) => lastError !== null);
      await deps.mail.settle();
      expect((await mailRow(id)).lastError).not.toContain('@');
      expect(log()).toContain(id);
    }
    server.behave('accept');
    await hastenMails();
    deps.mail.wake();
    await deps.mail.settle();
    expect(server.received.length).toBe(3);
    for (const text of SECRETS) expect(log()).not.toContain(text);
  });
});

describe('two nodes', () => {
  it('that are woken at once send each of fifty mails once', async () => {
    const server = await startMailServer();
    const nodes = [openMailNode(server), openMailNode(server)];
    const owner = await seedTestUserAndToken();
    const ids: string[] = [];
    for (let count = 0; count < 50; count += 1) {
      const node = nodes[count % 2];
      if (node) ids.push(await queueOne(node.deps, {}, owner));
    }
    for (const { deps } of nodes) deps.mail.wake();
    await Promise.all(nodes.map(({ deps }) => deps.mail.settle()));
    const sent = server.received.map(({ headers }) => headers.get('message-id'));
    expect(sent.sort()).toEqual(ids.map((id) => `<${id}@gatehouse.example>`).sort());
    const figures = await Promise.all(nodes.map(metricsOf));
    const counts = figures.map((text) => /mails_total\{outcome="sent"\} (\d+)/.exec(text)?.[1]);
    expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(50);
    // Otherwise this would prove nothing about two nodes.
    for (const count of counts) expect(Number(count)).toBeGreaterThan(0);
  });

  it('do not take what the other is sending, however long its server dawdles', async () => {
    const [slow, quick] = [await startMailServer(), await startMailServer()];
    const first = openMailNode(slow, { mail: slow.settings({}, HASTY_MS) });
    const second = openMailNode(quick);
    slow.behave('hang');
    const id = await queueOne(first.deps);
    first.deps.mail.wake();
    await untilMail(id, 'the first takes it', ({ tries }) => tries === 1);
    second.deps.mail.wake();
    await second.deps.mail.settle();
    expect(quick.begun()).toBe(0);
    await first.deps.mail.settle();
  });

  it('a mail whose node died between commit and sending, or while sending, is sent by the other', async () => {
    const server = await startMailServer();
    const { deps } = openMailNode(server);
    const { deps: dead } = buildApp({ mail: server.settings() }, { sendsMail: false });
    const unsent = await queueOne(dead, { to: 'a@elsewhere.example' });
    const claimed = await queueOne(dead, { to: 'b@elsewhere.example' });
    // The state that a node leaves if it is killed after claiming a mail.
    await db.execute(
      `UPDATE mails SET tries = 1, next_try_at = now() + interval '90 seconds' WHERE id = '${claimed}'`,
    );
    deps.mail.start();
    await untilMail(unsent, 'the first is sent', ({ sentAt }) => sentAt !== null);
    await deps.mail.settle();
    expect((await mailRow(claimed)).sentAt).toBeNull();
    await hastenMails();
    // No node is woken. The regular check every few seconds finds it.
    await untilMail(claimed, 'the second is sent', ({ sentAt }) => sentAt !== null);
    expect((await server.mailTo('a@elsewhere.example')).headers.get('message-id')).toContain(
      unsent,
    );
    expect((await server.mailTo('b@elsewhere.example')).headers.get('message-id')).toContain(
      claimed,
    );
  });
});

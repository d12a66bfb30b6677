import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import {
  GOOD_PASSWORD,
  accept,
  makeOlder,
  membershipsOf,
  seedInvited,
} from '@/tests/helpers/people/invitationCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  node = openMailNode(server);
});

const open = (token: string) => request(node.app).get(`/invitation/${token}`);
const submit = (token: string, fields: Record<string, string>) =>
  request(node.app).post(`/invitation/${token}`).type('form').send(fields);
const rowOf = async ({ id }: { id: string }) =>
  (await db.execute(sql`SELECT i::text AS row FROM invitations i WHERE id = ${id}`)).rows;

describe('the page of an invitation', () => {
  it('consumes nothing, however often a mail scanner opens it', async () => {
    const { invited } = await seedInvited(node.app);
    const before = await rowOf(invited);
    for (let times = 0; times < 3; times += 1) {
      const page = await open(invited.token);
      expect(page.status).toBe(200);
      expect((await request(node.app).head(`/invitation/${invited.token}`)).status).toBe(200);
    }
    expect(await rowOf(invited)).toEqual(before);
    expect(server.received.filter(({ to }) => to.includes(invited.email))).toEqual([]);
  });

  it('shows a hostile name as text, has no script, and is not to be indexed', async () => {
    const { administrator, invited } = await seedInvited(node.app);
    const name = '<script>alert(1)</script>"&\'\u202Eevil';
    await db.execute(sql`UPDATE tenants SET name = ${name} WHERE id = ${administrator.tenantId}`);
    const page = await open(invited.token);
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;&#39; evil');
    expect(page.text).not.toContain('<script');
    expect(page.text).not.toContain(invited.email);
    expect(page.text).not.toContain(invited.token);
    expect(page.headers['x-robots-tag']).toBe('noindex, nofollow');
    expect(page.headers['cache-control']).toBe('no-store');
    expect(page.headers['referrer-policy']).toBe('no-referrer');
  });

  it('is the same for a person who exists and for one who does not', async () => {
    const known = await seedTestUserAndToken();
    const { administrator, invited } = await seedInvited(node.app, { email: known.email });
    const name = { name: 'Same' };
    await db.execute(sql`UPDATE tenants SET name = 'Same' WHERE id = ${administrator.tenantId}`);
    const other = await seedInvited(node.app, { email: `staff-${Date.now()}@example.com` });
    await db.execute(
      sql`UPDATE tenants SET name = ${name.name} WHERE id = ${other.administrator.tenantId}`,
    );
    expect((await open(invited.token)).text).toBe((await open(other.invited.token)).text);
  });

  it('mails a code, corrects a wrong one, and accepts', async () => {
    const { administrator, invited } = await seedInvited(node.app);
    const { token, email } = invited;
    const asked = await submit(token, { step: 'code' });
    expect([asked.status, asked.text]).toEqual([200, expect.stringContaining('A code was sent')]);
    const code = /\n {2}(\d{6})\n/.exec((await server.mailTo(email)).text)?.[1] ?? '';
    const soon = await submit(token, { step: 'code' });
    expect(soon.status).toBe(429);
    const fields = { step: 'accept', password: GOOD_PASSWORD, name: '', code };
    const odd = await submit(token, { ...fields, code: 'x' });
    expect([odd.status, odd.text]).toEqual([400, expect.stringContaining('role="alert"')]);
    const weak = await submit(token, { ...fields, password: 'short' });
    expect([weak.status, weak.text]).toEqual([400, expect.stringContaining('at least')]);
    const done = await submit(token, { ...fields, code: ` ${code.slice(0, 3)} ${code.slice(3)}` });
    expect([done.status, done.text]).toEqual([
      200,
      expect.stringContaining(administrator.tenantSlug),
    ]);
    expect(await membershipsOf(email)).toMatchObject([{ name: null, roles: ['member'] }]);
    const again = await submit(token, fields);
    expect([again.status, again.text]).toEqual([404, expect.stringContaining('cannot be used')]);
  });

  it('says that it has expired only to the holder of its link', async () => {
    const { invited } = await seedInvited(node.app);
    await makeOlder(invited, 7 * 86_400);
    expect((await open(invited.token)).status).toBe(410);
    expect((await accept(node.app, invited.token, {})).body.error).toBe('INVITATION_EXPIRED');
    expect((await open(`inv_${'A'.repeat(43)}`)).status).toBe(404);
  });

  it.each([
    ['text', 'text/plain', 'step=accept', 415],
    ['too much', 'application/x-www-form-urlencoded', `step=${'a'.repeat(70_000)}`, 413],
    ['too many fields', 'application/x-www-form-urlencoded', 'a=1&'.repeat(50), 400],
    ['a list', 'application/x-www-form-urlencoded', 'step=accept&step=code', 400],
    ['NUL', 'application/x-www-form-urlencoded', 'step=accept&password=%00', 400],
    ['broken UTF-8', 'application/x-www-form-urlencoded', 'step=%ff%fe', 400],
    ['a prototype', 'application/x-www-form-urlencoded', '__proto__=x&constructor=y', 400],
    ['nothing', 'application/x-www-form-urlencoded', '', 400],
  ])('refuses a form that is %s', async (_what, type, body, status) => {
    const { invited } = await seedInvited(node.app);
    const res = await request(node.app)
      .post(`/invitation/${invited.token}`)
      .set('content-type', type)
      .send(body);
    expect(res.status).toBe(status);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

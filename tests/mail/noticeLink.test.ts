import { forceLogout } from '@/server/tenants';
import { sql } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { tagId } from '@/server/taggedId';
import { login, me } from '@/tests/helpers/http/authCalls';
import { expectForcedOut, expectSignedIn } from '@/tests/helpers/http/authOutcomes';
import { auditOf, tablesHolding, versionOf } from '@/tests/helpers/database/authRows';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { mailsOf, queueOne } from '@/tests/helpers/mail/mailRows';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { HOME } from '@/tests/helpers/people/traveller';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

const DAY_SEC = 86_400;
const NOTICE = { purpose: 'notice', prefix: 'ntc_' } as const;

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

/**
 * Signs a person out, and returns the path of the link in the mail about it. They have a new
 * session since.
 */
async function noticed(): Promise<{ member: SeededAuth; path: string }> {
  const member = await seedTestUserAndToken();
  await forceLogout(node.deps, operatorContext, member.tenantId, member.staffId);
  const { text } = await server.mailTo(member.email);
  const path = /https:\/\/id\.example(\/\S+)/.exec(text)?.[1] ?? '';
  const again = await login(node.app, member, HOME);
  expect(again.status).toBe(200);
  return { member: { ...member, ...again.body }, path };
}

const open = (path: string, app: Express = node.app) => request(app).get(path);
/** Sends the form as a browser does. */
const press = (path: string, app: Express = node.app) =>
  request(app).post(path).set('content-type', 'application/x-www-form-urlencoded').send('');

/** Returns everything that a link could change. */
async function everythingOf({ tenantId }: SeededAuth): Promise<unknown> {
  const { rows } = await db.execute(sql`
    SELECT to_jsonb(s) FROM user_sessions s WHERE tenant_id = ${tenantId}
    UNION ALL SELECT to_jsonb(t) FROM refresh_tokens t WHERE tenant_id = ${tenantId}
    UNION ALL SELECT to_jsonb(a) FROM audit_logs a WHERE tenant_id = ${tenantId}
    UNION ALL SELECT to_jsonb(m) - 'sent_at' FROM mails m WHERE tenant_id = ${tenantId}
    UNION ALL SELECT to_jsonb(p) FROM tenant_staff p WHERE tenant_id = ${tenantId} ORDER BY 1`);
  return rows;
}

describe('opening the link of a notice', () => {
  it('shows a page with one button, which loads nothing, runs nothing, names nobody and is kept nowhere', async () => {
    const { member, path } = await noticed();
    const res = await open(path);
    expect(res.status).toBe(200);
    expect(res.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow',
      'content-security-policy': expect.stringContaining("script-src 'self'"),
    });
    expect(res.headers).not.toHaveProperty('set-cookie');
    expect(res.text.match(/<form method="post">/g)).toHaveLength(1);
    expect(res.text.match(/<button/g)).toHaveLength(1);
    expect(res.text).not.toMatch(/<script|<img|<link|<iframe|src=|href=|url\(|@import|\son\w+=/i);
    const { email, tenantId, staffId, tenantSlug } = member;
    for (const word of [email, tenantId, staffId, tenantSlug, path]) {
      expect(res.text).not.toContain(word);
    }
  });

  it('changes nothing, however often a mail scanner does it, with GET or HEAD', async () => {
    const { member, path } = await noticed();
    await node.deps.mail.settle();
    const before = await everythingOf(member);
    for (let times = 0; times < 3; times += 1) {
      expect((await open(path)).status).toBe(200);
      expect((await request(node.app).head(path)).status).toBe(200);
    }
    expect(await everythingOf(member)).toEqual(before);
    await expectSignedIn(node.app, member);
  });
});

describe('pressing its button', () => {
  it('ends every session of that person, on every node, and the audit log says by what', async () => {
    const { member, path } = await noticed();
    const second = (await login(node.app, member, HOME)).body;
    expect((await me(other.app, member.accessToken)).status).toBe(200);
    const res = await press(path);
    expect(res.status).toBe(200);
    expect(res.text).toContain('All your sessions have ended');
    expect(res.headers['x-robots-tag']).toBe('noindex, nofollow');
    for (const session of [member, second]) {
      await expectForcedOut(other.app, session, 'security_event');
    }
    expect(await auditOf('NOTICE_ANSWERED', member.tenantId)).toMatchObject([
      {
        actor: 'anonymous',
        outcome: 'success',
        subject: `staff:${member.staffId}`,
        details: { kind: 'forced_logout' },
        correlationId: res.headers['x-correlation-id'],
      },
    ]);
    const ended = await auditOf('SESSION_INVALIDATED', member.tenantId);
    expect(ended.at(-1)?.details).toMatchObject({ reason: 'security_event', sessionsRevoked: 2 });
  });

  it('ends nobody else, not the same person in another tenant either', async () => {
    const { member, path } = await noticed();
    const neighbour = await seedTestUserAndToken({ tenantId: member.tenantId });
    const { tenantId, tenantSlug: tenant } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    const elsewhere = await login(node.app, { ...member, tenant }, HOME);
    expect((await press(path)).status).toBe(200);
    for (const untouched of [neighbour, elsewhere.body]) await expectSignedIn(node.app, untouched);
    expect(await versionOf(neighbour.staffId)).toBe(1);
  });

  it('twice, or on two nodes at once, does no harm', async () => {
    const { member, path } = await noticed();
    const both = await Promise.all([press(path), press(path, other.app)]);
    expect([...both, await press(path)].map(({ status }) => status)).toEqual([200, 200, 200]);
    await expectForcedOut(node.app, member, 'security_event');
    const again = await login(node.app, member, HOME);
    expect([again.status, again.body.reasons]).toEqual([428, ['NEW_DEVICE', 'PROOF_REQUIRED']]);
  });

  it('needs no body, and minds none', async () => {
    for (const type of ['text/plain', 'application/json', 'multipart/form-data; boundary=x']) {
      const { member, path } = await noticed();
      const res = await request(node.app).post(path).set('content-type', type).send('{"a":');
      expect(res.status).toBe(200);
      await expectForcedOut(node.app, member, 'security_event');
    }
    const { path } = await noticed();
    expect((await request(node.app).post(path)).status).toBe(200);
  });

  it('sends no mail about it', async () => {
    const { member, path } = await noticed();
    await press(path);
    await node.deps.mail.settle();
    expect(await mailsOf(member)).toHaveLength(1);
  });
});

describe('a link that is not good', () => {
  /** Expects that all answers look the same to a stranger, and that nothing has happened. */
  async function expectNothing(member: SeededAuth, paths: string[]): Promise<void> {
    const before = await everythingOf(member);
    const nowhere = visibleAnswer(await open(`/api/security/notices/${'x'.repeat(47)}`));
    expect(nowhere.status).toBe(404);
    for (const path of paths) {
      expect(visibleAnswer(await open(path))).toEqual(nowhere);
      expect(visibleAnswer(await press(path))).toEqual(nowhere);
    }
    expect(await everythingOf(member)).toEqual(before);
    expect((await me(node.app, member.accessToken)).status).toBe(200);
  }
  const pathOf = (token: string) => `/api/security/notices/${token}`;

  it('forged in any character, cut, spelt otherwise, or tagged for something else, is 404', async () => {
    const { member, path } = await noticed();
    const stranger = await noticed();
    const token = path.split('/').at(-1) ?? '';
    const theirs = stranger.path.split('/').at(-1) ?? '';
    const [mail] = await mailsOf(member);
    const id = mail?.id ?? '';
    const other = (character: string | undefined) => (character === 'A' ? 'B' : 'A');
    const forged = [...token].map(
      (character, at) => token.slice(0, at) + other(character) + token.slice(at + 1),
    );
    // Base64 has spare bits in its last character, and is decoded leniently.
    const spelt = [`${token}=`, `${token}A`, `${token}%20`, token.toLowerCase()];
    const crossed = [token.slice(0, 25) + theirs.slice(25), theirs.slice(0, 25) + token.slice(25)];
    const purposes = (['challenge', 'device', 'refresh-token'] as const).map((purpose) =>
      tagId(node.deps.keys, { purpose, prefix: 'ntc_' }, id),
    );
    const made = [id, `ntc_${id}`, token.replace('ntc_', ''), token.replace('ntc_', 'chl_')];
    const all = [...forged, ...spelt, ...crossed, ...purposes, ...made, token.slice(0, -1)];
    await expectNothing(member, all.map(pathOf));
  });

  it('of a mail that is gone, of no mail, or of a mail that is no notice, is 404', async () => {
    const { member, path } = await noticed();
    await node.deps.mail.settle();
    const code = await queueOne(node.deps, { to: 'c@elsewhere.example' }, member);
    await db.execute(
      sql`DELETE FROM mails WHERE kind <> 'step_up_code' AND staff_id = ${member.staffId}`,
    );
    const none = tagId(node.deps.keys, NOTICE, node.deps.random.id());
    const ofCode = tagId(node.deps.keys, NOTICE, code);
    await expectNothing(member, [path, pathOf(none), pathOf(ofCode)]);
  });

  it('is good for seven days, and 404 after', async () => {
    const { path } = await noticed();
    node.clock.forward(7 * DAY_SEC - 5);
    expect((await open(path)).status).toBe(200);
    node.clock.forward(5);
    expect([(await open(path)).status, (await press(path)).status]).toEqual([404, 404]);
  });
});

it('nothing of a link is stored, in no column of any table, and none is in the log', async () => {
  const { path } = await noticed();
  await press(path);
  const token = path.split('/').at(-1) ?? '';
  expect(await tablesHolding(token)).toEqual([]);
  expect(await tablesHolding(token.slice(-22))).toEqual([]);
  expect(node.log()).toContain('"route":"/api/security/notices/:token"');
  expect(node.log()).not.toContain('ntc_');
});

import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { attemptSubject } from '@/server/security';
import { auditOf, challengesOf, liveSessionsOf } from '@/tests/helpers/database/authRows';
import { fromAddress, login, me } from '@/tests/helpers/http/authCalls';
import { expectForcedOut } from '@/tests/helpers/http/authOutcomes';
import { NEW_PASSWORD, changePassword, forgot, reset } from '@/tests/helpers/http/passwordCalls';
import { openResetLinks } from '@/tests/helpers/mail/resetLinks';
import type { ResetLinks } from '@/tests/helpers/mail/resetLinks';
import { seedPair, impersonate } from '@/tests/helpers/people/impersonators';
import { seedPasswordless, storedPasswordOf } from '@/tests/helpers/people/passwordless';
import { HOME } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';

let links: ResetLinks;
let node: ResetLinks['node'];
let other: ResetLinks['other'];
beforeAll(async () => {
  links = await openResetLinks();
  ({ node, other } = links);
});

const GUESS = 'a long enough password';
const unknownAddress = () => `nobody-${randomUUID()}@example.com`;

/** Counts the rows of every table that a refused sign-in could write to. */
async function countRows(): Promise<Record<string, number>> {
  const { rows } = await db.execute<{ name: string }>(
    sql`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'
      AND tablename !~ '^(audit_(leaves|nodes|trees|sealer|checkpoints)|node_clocks|write_probes|rate_limits|schema_health)$'`,
  );
  const counted: Record<string, number> = {};
  for (const { name } of rows) {
    const { rows: found } = await db.execute<{ n: number }>(
      sql`SELECT count(*)::int AS n FROM ${sql.identifier(name)}`,
    );
    counted[name] = found[0]?.n ?? 0;
  }
  return counted;
}

/** Signs in with a wrong password, and returns what that added to the tables and to the counters. */
async function tryOnce(email: string) {
  const before = await countRows();
  expect((await login(node.app, { email, password: GUESS }, HOME)).status).toBe(401);
  const after = await countRows();
  const added = Object.entries(after).filter(([name, rows]) => rows !== before[name]);
  const subject = attemptSubject(node.deps.keys, 'email', email);
  const { rows: counters } = await db.execute(
    sql`SELECT scope, tries, failures FROM failed_attempts WHERE subject = ${subject} ORDER BY scope`,
  );
  return {
    added: added.map(([name, rows]) => [name, rows - (before[name] ?? 0)]),
    counters,
  };
}

describe('a sign-in with a password', () => {
  it('writes the rows of an unknown address, and counts as many tries', async () => {
    // The first try from this address writes its counter.
    await tryOnce(unknownAddress());
    const unknown = await tryOnce(unknownAddress());
    expect(unknown.added).toContainEqual(['audit_logs', 1]);
    expect(await tryOnce((await seedPasswordless()).email)).toEqual(unknown);
  });

  it('is refused with each password, and the log of the tenant says why', async () => {
    const { email, tenantId, staffId } = await seedPasswordless();
    const before = (await liveSessionsOf(staffId)).length;
    for (const password of ['', GUESS, 'null', 'undefined']) {
      expect([400, 401]).toContain((await login(node.app, { email, password }, HOME)).status);
    }
    expect(await liveSessionsOf(staffId)).toHaveLength(before);
    const failed = await auditOf('AUTH_LOGIN_FAILED', tenantId);
    expect(failed.map(({ details }) => details)).toEqual(
      Array.from({ length: failed.length }, () => ({ reason: 'no_password' })),
    );
    expect(failed.length).toBeGreaterThan(2);
  });

  it('mails nobody about guesses, since there is nothing to guess', async () => {
    const guessed = await seedTestUserAndToken();
    const member = await seedPasswordless();
    for (const { email } of [guessed, member]) {
      for (let tries = 0; tries < 11; tries += 1) {
        await login(node.app, { email, password: 'not that password' }, fromAddress('192.0.2.9'));
      }
    }
    expect(await links.linksTo(guessed)).toHaveLength(1);
    expect(await links.linksTo(member)).toEqual([]);
  });

  it('stays refused after a request for a link, until the link is used', async () => {
    const member = await seedPasswordless();
    await forgot(node.app, member.email, HOME);
    const [path = ''] = await links.linksTo(member);
    const attempt = () => login(node.app, { ...member, password: NEW_PASSWORD }, HOME);
    expect((await attempt()).status).toBe(401);
    expect((await reset(node.app, path)).status).toBe(200);
    expect((await attempt()).status).toBe(200);
  });
});

describe('a person in a session of theirs', () => {
  it('learns from /me whether they have a password; somebody who acts as them does not', async () => {
    const member = await seedPasswordless();
    expect((await me(node.app, member.token)).body).toMatchObject({ hasPassword: false });
    const known = await seedTestUserAndToken();
    expect((await me(node.app, known.token)).body).toMatchObject({ hasPassword: true });
    const pair = await seedPair();
    const { token } = await impersonate(node.app, pair, {});
    const shown = (await me(node.app, token)).body as Record<string, unknown>;
    expect(shown).toHaveProperty('impersonation');
    expect(shown).not.toHaveProperty('hasPassword');
  });

  it('cannot change a password that they do not have: 409, no try is counted, none is set', async () => {
    const member = await seedPasswordless();
    await giveFactor(member);
    const bypass = { 'x-stepup-test-bypass': '1' };
    for (const password of [GUESS, 'null']) {
      const who = { ...member, password };
      const res = await changePassword(node.app, who, NEW_PASSWORD, bypass);
      expect([res.status, res.body.error]).toEqual([409, 'NO_PASSWORD']);
      expect(res.body.detail).toContain('/api/auth/password/forgot');
    }
    expect((await storedPasswordOf(member.userId))?.passwordHash).toBeNull();
    const subject = attemptSubject(node.deps.keys, 'email', member.email);
    const { rows } = await db.execute(
      sql`SELECT FROM failed_attempts WHERE subject = ${subject} AND (tries > 0 OR failures > 0)`,
    );
    expect(rows).toEqual([]);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(1);
  });

  it('cannot change their address without a password: 409, and nothing is mailed', async () => {
    const member = await seedPasswordless();
    const res = await request(node.app)
      .post('/api/auth/email')
      .set({ authorization: `Bearer ${member.token}`, 'x-stepup-test-bypass': '1' })
      .send({ email: unknownAddress(), currentPassword: GUESS });
    expect([res.status, res.body.error]).toEqual([409, 'NO_PASSWORD']);
    expect(await auditOf('EMAIL_CHANGE_REQUESTED', member.tenantId)).toEqual([]);
    expect(await links.linksTo(member)).toEqual([]);
  });

  it('sees in the copy of their data that there is no password', async () => {
    const member = await seedPasswordless();
    const res = await request(node.app)
      .post('/api/auth/me/data')
      .set({ authorization: `Bearer ${member.token}`, 'x-stepup-test-bypass': '1' });
    expect(res.body.profile).toMatchObject({ hasPassword: false, passwordChangedAt: null });
  });
});

describe('the link for a new password', () => {
  it('is mailed to them like to anybody, and sets their first password; the log says it was the first', async () => {
    const member = await seedPasswordless();
    const { tenantId } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    const known = await seedTestUserAndToken();
    const [answer, usual] = [
      await forgot(node.app, member.email, HOME),
      await forgot(node.app, known.email, HOME),
    ];
    expect([answer.status, answer.text]).toEqual([usual.status, usual.text]);
    const [path = ''] = await links.linksTo(member);
    const weak = await reset(node.app, path, 'short');
    expect([weak.status, weak.body.error]).toEqual([400, 'PASSWORD_REFUSED']);
    expect((await reset(node.app, path)).body).toEqual({ passwordChanged: true });
    await expectForcedOut(other.app, member, 'security_event');
    for (const id of [member.tenantId, tenantId]) {
      expect((await auditOf('PASSWORD_CHANGED', id)).map(({ details }) => details)).toEqual([
        { with: 'reset_link', first: true },
      ]);
    }
    await forgot(node.app, member.email, HOME);
    const again = (await links.linksTo(member)).at(-1) ?? '';
    expect((await reset(node.app, again, `${NEW_PASSWORD}!`)).status).toBe(200);
    const [, second] = await auditOf('PASSWORD_CHANGED', tenantId);
    expect(second?.details).toEqual({ with: 'reset_link' });
  });

  it('is one first password if fifty use it at once on two nodes', async () => {
    const member = await seedPasswordless();
    await forgot(node.app, member.email, HOME);
    const [path = ''] = await links.linksTo(member);
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        reset((index % 2 === 0 ? node : other).app, path, `${NEW_PASSWORD} ${index}`),
      ),
    );
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of all) expect([200, 404, 503]).toContain(status);
    expect(await auditOf('PASSWORD_CHANGED', member.tenantId)).toMatchObject([
      { details: { first: true } },
    ]);
    const winner = all.findIndex(({ status }) => status === 200);
    const res = await login(node.app, { ...member, password: `${NEW_PASSWORD} ${winner}` }, HOME);
    expect(res.status).toBe(200);
  });

  it('does not replace the second factor: the next sign-in asks for it', async () => {
    const member = await seedPasswordless();
    await giveFactor(member);
    await forgot(node.app, member.email, HOME);
    const [path = ''] = await links.linksTo(member);
    await reset(node.app, path);
    const res = await login(node.app, { ...member, password: NEW_PASSWORD }, HOME);
    expect([res.status, res.body.error]).toEqual([428, 'STEP_UP_REQUIRED']);
    expect(await challengesOf(member.staffId)).toHaveLength(1);
  });
});

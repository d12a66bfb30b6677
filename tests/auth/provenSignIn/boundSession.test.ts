import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { failedAttempts, tenantStaff } from '@/server/db/schema';
import { attemptSubject } from '@/server/security';
import {
  auditOf,
  sessionsOf,
  setStaffStatus,
  setTenantStatus,
  setUserStatus,
  tokensOf,
} from '@/tests/helpers/database/authRows';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { refusedByProvider, signInByProvider } from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { openNode } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
const other = openNode();

const newest = async ({ staffId }: SeededAuth) => (await sessionsOf(staffId)).at(-1);

describe('a sign-in through a provider', () => {
  it('opens a session that is bound to the connection and to the session of the provider, on every node', async () => {
    const member = await seedTestUserAndToken();
    const connectionId = randomUUID();
    const said = { connectionId, providerSid: 'their session', rememberMe: true };
    const tokens = await signInByProvider(deps, member, said);
    expect(await newest(member)).toMatchObject({
      id: tokens.sessionId,
      ssoConnectionId: connectionId,
      providerSid: 'their session',
      ownProofAt: null,
      rememberMe: true,
      amr: [],
    });
    for (const node of [app, other.app]) {
      const shown = await me(node, tokens.accessToken);
      expect(shown.body).toMatchObject({ staffId: member.staffId, sessionId: tokens.sessionId });
    }
    const rotated = await refresh(other.app, tokens.refreshToken);
    expect(rotated.status).toBe(200);
    expect(await newest(member)).toMatchObject({ ssoConnectionId: connectionId });
  });

  it('is recorded with its connection, and one with the password without any', async () => {
    const member = await seedTestUserAndToken();
    const connectionId = randomUUID();
    await signInByProvider(deps, member, { connectionId });
    expect((await login(app, member)).status).toBe(200);
    const events = await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId);
    expect(events.map(({ actor, details }) => [actor, details['connectionId']])).toEqual([
      [member.staffId, connectionId],
      [member.staffId, undefined],
    ]);
    const own = await newest(member);
    expect(own).toMatchObject({ ssoConnectionId: null, providerSid: null, amr: ['pwd'] });
    expect(own?.ownProofAt).toEqual(own?.createdAt);
  });

  it('keeps nothing of what the provider says about factors, unless the tenant trusts it', async () => {
    const member = await seedTestUserAndToken();
    const amrWith = async (amr: string[], trustsFactor: boolean) => {
      await signInByProvider(deps, member, { amr, trustsFactor });
      return (await newest(member))?.amr;
    };
    expect(await amrWith(['pwd', 'mfa'], false)).toEqual([]);
    expect(await amrWith(['pwd', 'mfa'], true)).toEqual(['mfa']);
    expect(await amrWith(['pwd', 'otp'], true)).toEqual(['mfa']);
    expect(await amrWith(['fido', 'pin'], true)).toEqual(['mfa']);
    // Two of one kind are one factor, and an unknown value is none.
    expect(await amrWith(['otp', 'sms'], true)).toEqual([]);
    expect(await amrWith(['pwd', 'kba'], true)).toEqual([]);
    expect(await amrWith(['pwd', 'MFA', 'very safe'], true)).toEqual([]);
    expect(await amrWith(['otp'], true)).toEqual([]);
  });
});

describe('a member who may not sign in', () => {
  const REFUSED: [string, (member: SeededAuth) => PromiseLike<unknown>][] = [
    ['was disabled', ({ staffId }) => setStaffStatus(staffId, 'disabled')],
    ['is a person who was disabled', ({ userId }) => setUserStatus(userId, 'disabled')],
    ['is of a suspended tenant', ({ tenantId }) => setTenantStatus(tenantId, 'suspended')],
    [
      'has a membership that has ended',
      ({ staffId }) =>
        db
          .update(tenantStaff)
          .set({ endsAt: new Date(Date.now() - 1000) })
          .where(eq(tenantStaff.id, staffId)),
    ],
  ];
  it.each(REFUSED)('is refused if the member %s', async (_what, end) => {
    const member = await seedTestUserAndToken();
    await end(member);
    expect(await refusedByProvider(deps, member)).toEqual({ code: 'INVALID_CREDENTIALS' });
    expect(await sessionsOf(member.staffId)).toHaveLength(1);
    expect(await tokensOf(member.staffId)).toHaveLength(1);
  });

  it('is refused if the member is of another tenant, or of none', async () => {
    const [member, stranger] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const { tenantId } = stranger;
    const crossed = { tenantId, staffId: member.staffId };
    expect(await refusedByProvider(deps, crossed)).toEqual({ code: 'INVALID_CREDENTIALS' });
    const nobody = { tenantId, staffId: randomUUID() };
    expect(await refusedByProvider(deps, nobody)).toEqual({ code: 'INVALID_CREDENTIALS' });
  });
});

describe('the guesses at the password', () => {
  const countersOf = ({ email }: SeededAuth) =>
    db
      .select()
      .from(failedAttempts)
      .where(eq(failedAttempts.subject, attemptSubject(deps.keys, 'email', email)));

  it('neither stop a sign-in through a provider, nor are forgotten by it', async () => {
    const member = await seedTestUserAndToken();
    let last = 0;
    for (let guess = 0; guess < 12; guess += 1) {
      last = (await login(app, { ...member, password: 'a wrong enough password' })).status;
    }
    expect(last).toBe(401);
    // Locked: the right password is refused too.
    expect((await login(app, member)).status).toBe(401);
    const before = await countersOf(member);
    expect(before.some(({ failures }) => failures > 0)).toBe(true);
    await signInByProvider(deps, member, { ip: '8.8.8.8' });
    expect(await countersOf(member)).toEqual(before);
    expect((await login(app, member)).status).toBe(401);
  });
});

import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import { challengesOf, sessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { login, refresh } from '@/tests/helpers/http/authCalls';
import {
  changeName,
  completeSignIn,
  refusedByProvider,
  signInByProvider,
} from '@/tests/helpers/people/provenMember';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const scorer = jest.mocked(computeAnomalyScoreOptimized);
const clock = createMovableClock();
const { app, deps } = buildApp({ accessTokenTtlSec: 3600 }, { clock });
const node = { app, clock };

beforeEach(() => {
  scorer.mockReset();
  scorer.mockResolvedValue({ score: 0, reasons: [] });
});

const scoreWith = (score: number) => scorer.mockResolvedValueOnce({ score, reasons: [] });

/** Signs a member in through a provider and gives the proof that is asked for. */
async function provenChallenge(): Promise<{ member: SeededAuth; challengeId: string }> {
  const member = await seedTestUserAndToken();
  const secret = await giveFactor(member);
  scoreWith(70);
  const { challengeId } = await refusedByProvider(deps, member);
  expect((await answerChallenge(node, secret, { challengeId })).status).toBe(200);
  return { member, challengeId };
}

/** Returns the row of the session that an answer opened. */
const openedBy = async ({ staffId }: SeededAuth, { body }: { body: { sessionId?: string } }) =>
  (await sessionsOf(staffId)).find(({ id }) => id === body.sessionId);

describe('the challenge of a sign-in through a provider', () => {
  it('lets no sign-in with the password through, and waits for its own', async () => {
    const { member, challengeId } = await provenChallenge();
    scoreWith(70);
    const refused = await login(app, { ...member, challengeId });
    expect(refused.status).toBe(428);
    expect(refused.body.challengeId).not.toBe(challengeId);
    const done = await completeSignIn(app, challengeId);
    expect(done.status).toBe(200);
    const opened = await openedBy(member, done);
    expect(opened?.ssoConnectionId).not.toBeNull();
    expect(opened?.amr).toEqual(['otp', 'mfa']);
  });

  it('is not used up by a sign-in with the password that needs no proof', async () => {
    const { member, challengeId } = await provenChallenge();
    const own = await login(app, { ...member, challengeId });
    expect(own.status).toBe(200);
    const opened = await openedBy(member, own);
    expect(opened).toMatchObject({ ssoConnectionId: null, amr: ['pwd'] });
    expect((await completeSignIn(app, challengeId)).status).toBe(200);
  });

  it('keeps what the tenant trusts in its provider, and nothing more', async () => {
    const member = await seedTestUserAndToken();
    await giveFactor(member);
    scoreWith(70);
    await refusedByProvider(deps, member, { amr: ['pwd', 'mfa'], trustsFactor: false });
    expect(await challengesOf(member.staffId)).toMatchObject([{ providerAmr: [] }]);
  });
});

describe('the challenge of a sign-in with the password', () => {
  it('opens a session of the password, also if the member has signed in through a provider since', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    scoreWith(70);
    const { challengeId } = (await login(app, member)).body as { challengeId: string };
    await signInByProvider(deps, member);
    expect((await answerChallenge(node, secret, { challengeId })).status).toBe(200);
    scoreWith(70);
    const other = await refusedByProvider(deps, member);
    expect(other.challengeId).not.toBe(challengeId);
    const done = await completeSignIn(app, challengeId);
    expect(done.status).toBe(200);
    const opened = await openedBy(member, done);
    expect(opened).toMatchObject({ ssoConnectionId: null, amr: ['pwd', 'otp', 'mfa'] });
    expect(opened?.ownProofAt).not.toBeNull();
  });
});

/** Runs work while the table is missing; the node knows afterwards that it is back. */
async function duringOutage<T>(work: () => Promise<T>): Promise<T> {
  const result = await withoutTable('user_sessions', work);
  await deps.schemaGuard.check();
  return result;
}

describe('while user_sessions is missing', () => {
  it('no sign-in through a provider gets tokens, and one with the password does', async () => {
    const member = await seedTestUserAndToken();
    await duringOutage(async () => {
      expect(await refusedByProvider(deps, member)).toEqual({ code: 'SCHEMA_UNAVAILABLE' });
      expect((await login(app, member)).body).toMatchObject({ degraded: true });
    });
    expect((await signInByProvider(deps, member)).sessionId).not.toBeNull();
  });

  it('a proven challenge is not used up in vain', async () => {
    const { challengeId } = await provenChallenge();
    await duringOutage(async () => {
      const refused = await completeSignIn(app, challengeId);
      expect(refused.body).toMatchObject({ error: 'SCHEMA_UNAVAILABLE' });
    });
    expect((await completeSignIn(app, challengeId)).status).toBe(200);
  });

  it('a session of a provider gets no rights of the person, neither with its token nor with a refreshed one', async () => {
    const member = await seedTestUserAndToken();
    const tokens = await signInByProvider(deps, member);
    const refreshed = await duringOutage(async () => {
      const old = await changeName(app, tokens.accessToken);
      expect(old.body).toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
      const { body } = await refresh(app, tokens.refreshToken);
      expect(body).toMatchObject({ degraded: true });
      const fresh = await changeName(app, body.accessToken as string);
      expect(fresh.body).toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
      return body as { accessToken: string; refreshToken: string };
    });
    const after = await changeName(app, refreshed.accessToken);
    expect(after.body).toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
    const again = await refresh(app, refreshed.refreshToken);
    expect(again.status).toBe(200);
    const last = await changeName(app, again.body.accessToken as string);
    expect(last.body).toMatchObject({ error: 'OWN_PROOF_REQUIRED' });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Response } from 'supertest';
import request from 'supertest';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { knownCountries } from '@/server/db/schema';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { refresh } from '@/tests/helpers/http/authCalls';
import { auditOf, challengesOf, sessionsOf, tokensOf } from '@/tests/helpers/database/authRows';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';

const folder = mkdtempSync(join(tmpdir(), 'refresh-proofs-'));
const list = join(folder, 'vpn.txt');
writeFileSync(list, '81.2.0.0/16\n');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clock = createMovableClock();
const { app } = buildApp({ ipLists: [list] }, { clock });
/** The same app on the same network after an update. It keeps no cookies. */
const UPDATED = { ...HOME, 'user-agent': 'The laptop at home, updated' };
const POLICY = { purpose: 'security_settings' };

/** Returns a code that was not used yet. Each code takes one time step. */
function nextCode(who: Traveller): string {
  clock.forward(30);
  return codeAt(who.secret, clock.now());
}

const verify = (who: Traveller, more: object, accessToken?: string) => {
  const call = request(app).post('/api/security/step-up/verify').set(HOME);
  if (accessToken) void call.set('authorization', `Bearer ${accessToken}`);
  return call.send({ ...POLICY, code: nextCode(who), ...more });
};

const signIn = async (who: Traveller) => (await attemptLogin(app, who, HOME)).body;
const from = (place: Record<string, string>, token: string, key?: string) =>
  refresh(app, token, key === undefined ? place : { ...place, 'idempotency-key': key });
const sorted = (res: Response) => ({ status: res.status, tokens: Boolean(res.body.accessToken) });
const ASKED = { status: 428, tokens: false };
const PASSED = { status: 200, tokens: true };

describe('a refresh that needs a proof is let through by the challenge of its own 428 alone:', () => {
  it('a thief is asked although the owner has just proven herself in the session, and teaches nothing', async () => {
    const ann = await seedTraveller(app);
    const session = await signIn(ann);
    await askForProof(app, session.accessToken, POLICY.purpose);
    expect((await verify(ann, {}, session.accessToken)).status).toBe(200);
    const theft = await from(ABROAD, session.refreshToken);
    expect(sorted(theft)).toStrictEqual(ASKED);
    expect(theft.body.refreshToken).toMatch(/^ghr_/);
    const events = await auditOf('SUSPICIOUS_LOGIN_DETECTED', ann.tenantId);
    expect(events).toMatchObject([{ outcome: 'denied', details: { decision: 'step_up' } }]);
    const known = await db
      .select()
      .from(knownCountries)
      .where(eq(knownCountries.staffId, ann.staffId));
    expect(known.map(({ country }) => country)).toStrictEqual(['GB']);
    expect((await attemptLogin(app, ann, ABROAD)).status).toBe(428);
  });

  it('the proof that the owner gave to one 428 opens no link that a thief has rotated since', async () => {
    const ann = await seedTraveller(app);
    const session = await signIn(ann);
    const asked = await from(ABROAD, session.refreshToken);
    // A thief who copied the newest token is faster than the owner's proof.
    const theft = await from(ABROAD, asked.body.refreshToken);
    expect(sorted(theft)).toStrictEqual(ASKED);
    const { challengeId } = asked.body;
    expect((await verify(ann, { challengeId })).status).toBe(404);
    expect(sorted(await from(ABROAD, theft.body.refreshToken))).toStrictEqual(ASKED);
    expect((await from(ABROAD, asked.body.refreshToken)).body.reason).toBe('reuse_detected');
  });

  it('a proof is worth at most one refresh, also for ten at once', async () => {
    const ann = await seedTraveller(app);
    const asked = (await from(ABROAD, (await signIn(ann)).refreshToken)).body;
    expect((await verify(ann, { challengeId: asked.challengeId })).status).toBe(200);
    const all = await Promise.all(
      Array.from({ length: 10 }, () => from(ABROAD, asked.refreshToken)),
    );
    // The nine others look like theft, and may end the family before the first one uses the proof.
    const passed = all.filter(({ status }) => status === 200).length;
    expect(passed).toBeLessThanOrEqual(1);
    const used = (await challengesOf(ann.staffId)).filter(({ consumedAt }) => consumedAt);
    expect(used).toHaveLength(passed);
  });

  it('the challenge names the link that its 428 handed out', async () => {
    const ann = await seedTraveller(app);
    await from(ABROAD, (await signIn(ann)).refreshToken);
    const end = (await tokensOf(ann.staffId)).find(
      ({ id, familyId, revokedAt }) =>
        revokedAt === null && familyId !== null && id !== ann.refreshTokenId,
    );
    expect(await challengesOf(ann.staffId)).toMatchObject([
      { origin: 'refresh', refreshTokenId: end?.id },
    ]);
  });
});

describe('a refresh with an idempotency key that needs a proof', () => {
  it('gets the same challenge again while it can be answered', async () => {
    const ann = await seedTraveller(app);
    const { refreshToken } = await signIn(ann);
    const lost = (await from(ABROAD, refreshToken, 'key-1')).body;
    const again = (await from(ABROAD, refreshToken, 'key-1')).body;
    expect(again).toMatchObject({
      refreshToken: lost.refreshToken,
      challengeId: lost.challengeId,
    });
    expect(await challengesOf(ann.staffId)).toHaveLength(1);
  });

  it('is answered again after its proof was used up, from the same place, and asked for one from elsewhere', async () => {
    const ann = await seedTraveller(app);
    const asked = (await from(ABROAD, (await signIn(ann)).refreshToken)).body;
    await verify(ann, { challengeId: asked.challengeId });
    const lost = await from(ABROAD, asked.refreshToken, 'key-2');
    const again = await from(ABROAD, asked.refreshToken, 'key-2');
    expect([sorted(lost), sorted(again)]).toStrictEqual([PASSED, PASSED]);
    expect(again.body.refreshToken).toBe(lost.body.refreshToken);
    const brazil = { 'x-forwarded-for': '200.160.2.3', 'user-agent': 'A third one' };
    expect(sorted(await from(brazil, asked.refreshToken, 'key-2'))).toStrictEqual(ASKED);
  });
});

describe('a proof that let a refresh through moves the home of the session:', () => {
  it('an app without cookies on a listed network is asked once, and never again from there', async () => {
    const ann = await seedTraveller(app);
    let { refreshToken } = await signIn(ann);
    const asked = await from(UPDATED, refreshToken);
    expect(sorted(asked)).toStrictEqual(ASKED);
    await verify(ann, { challengeId: asked.body.challengeId });
    ({ refreshToken } = asked.body);
    for (let time = 0; time < 5; time += 1) {
      const res = await from(UPDATED, refreshToken);
      expect(sorted(res)).toStrictEqual(PASSED);
      ({ refreshToken } = res.body);
      clock.forward(3600);
      if (time > 0) continue;
      // Country, network, device and time change in the transaction of the proof.
      const moved = (await sessionsOf(ann.staffId)).filter(({ originProvenAt }) => originProvenAt);
      expect(moved).toMatchObject([
        {
          country: 'GB',
          beganCountry: 'GB',
          network: '81.2.0.0/16',
          deviceHashes: [expect.any(String)],
        },
      ]);
    }
    expect(await auditOf('STEP_UP_REQUIRED', ann.tenantId)).toHaveLength(1);
  });

  it('from another device, network or country it is asked again', async () => {
    const ann = await seedTraveller(app);
    const first = await from(ABROAD, (await signIn(ann)).refreshToken);
    await verify(ann, { challengeId: first.body.challengeId });
    const there = await from(ABROAD, first.body.refreshToken);
    expect(sorted(there)).toStrictEqual(PASSED);
    const stays = await from(ABROAD, there.body.refreshToken);
    expect(sorted(stays)).toStrictEqual(PASSED);
    const copied = { ...ABROAD, 'x-forwarded-for': '200.160.2.3', 'user-agent': 'A thief' };
    expect(sorted(await from(copied, stays.body.refreshToken))).toStrictEqual(ASKED);
  });
});

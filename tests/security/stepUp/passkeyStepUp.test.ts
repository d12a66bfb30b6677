import request from 'supertest';
import { passkeyProof } from '@/server/security/stepUp/proofs/passkeyProof';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { challengesOf } from '@/tests/helpers/database/authRows';
import { operatorContext } from '@/tests/helpers/server/openNode';
import {
  failureReasonsOf,
  givePasskey,
  newAuthenticator,
  passkeyCalls,
  passkeysOf,
  seedHolder,
  signIn,
} from '@/tests/helpers/passkeys/passkeyCalls';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const PURPOSE = 'data_export';
/** After the gate, the request fails because no export accepts its body. */
const PASSED = 400;

const clock = createMovableClock();
const node = buildApp({ accessTokenTtlSec: 900 }, { clock });
const { app, deps } = node;

const outcome = (res: request.Response) => [res.status, res.body.error];
const knock = (token: string) =>
  request(app)
    .post('/api/compliance/export/bundle')
    .set('authorization', `Bearer ${token}`)
    .send({});

const seedOfficer = (options?: Parameters<typeof seedHolder>[1]) => seedHolder(node, options);
const rowOf = async (staffId: string) => (await passkeysOf(staffId))[0];

describe('a guarded route', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)(
    'opens after 428, start and verify with a passkey of %s',
    async (algorithm) => {
      const { token, staffId, passkey, begin, prove } = await seedOfficer({ algorithm });
      const stopped = await knock(token);
      expect(stopped.status).toBe(428);
      expect(stopped.body.methods).toEqual(['passkey']);
      const options = await begin(PURPOSE);
      expect(options.status).toBe(200);
      expect(options.body).toEqual({
        rpId: 'localhost',
        challenge: expect.stringMatching(/^[\w-]{43}$/),
        allowCredentials: [
          { id: passkey.id, type: 'public-key', transports: ['internal', 'hybrid'] },
        ],
        timeout: 300_000,
        userVerification: 'required',
      });
      const res = await prove(passkey.get(options.body), PURPOSE);
      expect(res.status).toBe(200);
      const now = clock.now();
      expect(res.body).toStrictEqual({
        ...{ verified: true, purpose: PURPOSE, method: 'passkey' },
        verifiedAt: now.toISOString(),
      });
      expect((await knock(token)).status).toBe(PASSED);
      expect(await rowOf(staffId)).toMatchObject({ counter: 2, lastUsedAt: now });
      const [challenge, ...others] = await challengesOf(staffId);
      expect(others).toEqual([]);
      expect(challenge).toMatchObject({ verifiedMethod: 'passkey', passkeyChallenge: null });
      expect(await failureReasonsOf(staffId)).toEqual([]);
    },
  );

  it('is offered the passkey first, and either will do', async () => {
    const { token, passkey, begin, prove, proveByCode, ...member } = await seedOfficer();
    const secret = await giveFactor(member);
    expect((await knock(token)).body.methods).toEqual(['passkey', 'totp']);
    const { body } = await begin(PURPOSE);
    expect((await prove(passkey.get(body), PURPOSE)).status).toBe(200);
    const code = codeAt(secret, clock.now());
    expect((await proveByCode(code, 'impersonation')).status).toBe(200);
  });

  it('opens with any of several passkeys', async () => {
    const { token, passkey, begin, prove, register } = await seedOfficer();
    expect((await register()).status).toBe(428);
    const settings = (await begin('security_settings')).body;
    await prove(passkey.get(settings), 'security_settings');
    const second = await givePasskey(node, token, { algorithm: 'EdDSA' });
    const options = (await begin(PURPOSE)).body;
    const offered = options.allowCredentials.map(({ id }: { id: string }) => id);
    expect(offered.sort()).toEqual([passkey.id, second.id].sort());
    expect((await prove(second.get(options), PURPOSE)).status).toBe(200);
  });

  it('takes note of a passkey that is backed up later', async () => {
    const { staffId, passkey, begin, prove } = await seedOfficer({ backupEligible: true });
    expect((await rowOf(staffId))?.backedUp).toBe(false);
    Object.assign(passkey, { options: { backupEligible: true, backedUp: true } });
    await prove(passkey.get((await begin(PURPOSE)).body), PURPOSE);
    expect((await rowOf(staffId))?.backedUp).toBe(true);
  });
});

describe('a proof by passkey', () => {
  it('for one purpose is none for another', async () => {
    const { token, passkey, begin, prove, register } = await seedOfficer();
    const response = passkey.get((await begin(PURPOSE)).body);
    expect(outcome(await prove(response, 'impersonation'))).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    const { challengeId } = (await knock(token)).body;
    const elsewhere = await prove(response, 'impersonation', { challengeId });
    expect(outcome(elsewhere)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect((await prove(response, PURPOSE)).status).toBe(200);
    expect((await register()).body).toMatchObject({ purpose: 'security_settings' });
  });

  it("of one session is none for another's, of the same person", async () => {
    const officer = await seedOfficer();
    const otherToken = await signIn(app, officer);
    const other = passkeyCalls(app, otherToken);
    await other.begin(PURPOSE);
    const response = officer.passkey.get((await officer.begin(PURPOSE)).body);
    const { challengeId } = (await knock(officer.token)).body;
    const named = await other.prove(response, PURPOSE, { challengeId });
    expect(outcome(named)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect(outcome(await other.prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    const nobody = await passkeyCalls(app).prove(response, PURPOSE, { challengeId });
    expect(outcome(nobody)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect((await officer.prove(response, PURPOSE)).status).toBe(200);
    expect((await knock(otherToken)).status).toBe(428);
  });

  it('cannot be begun for the challenge of another session, nor without one', async () => {
    const officer = await seedOfficer();
    const { challengeId } = (await knock(officer.token)).body;
    const other = await seedOfficer({ tenantId: officer.tenantId });
    for (const calls of [other, passkeyCalls(app, await signIn(app, officer)), passkeyCalls(app)]) {
      const res = await calls.begin(PURPOSE, { challengeId });
      expect(outcome(res)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    }
    expect(outcome(await passkeyCalls(app).begin(PURPOSE))).toEqual([401, 'UNAUTHENTICATED']);
  });

  it.each(['the same tenant', 'another tenant'])(
    "is none with somebody else's passkey, of %s",
    async (where) => {
      const mine = await seedOfficer();
      const { tenantId } = mine;
      const other = await seedOfficer(where === 'the same tenant' ? { tenantId } : {});
      const options = (await mine.begin(PURPOSE)).body;
      for (const userHandle of [undefined, null]) {
        const response = other.passkey.get(options, userHandle === null ? { userHandle } : {});
        expect(outcome(await mine.prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
      }
      // With the id of my passkey, but signed with the key of the other.
      const renamed = { ...other.passkey.get(options, { userHandle: null }) };
      Object.assign(renamed, { id: mine.passkey.id, rawId: mine.passkey.id });
      expect(outcome(await mine.prove(renamed, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
      expect(await failureReasonsOf(mine.staffId)).toEqual(Array(3).fill('wrong_passkey'));
      expect((await knock(mine.token)).status).toBe(428);
    },
  );

  it('works once: sent again it says the same for a minute, and answers no other challenge', async () => {
    const { passkey, begin, prove, staffId } = await seedOfficer();
    const response = passkey.get((await begin(PURPOSE)).body);
    const first = await prove(response, PURPOSE);
    expect(first.status).toBe(200);
    expect((await prove(response, PURPOSE)).body).toStrictEqual(first.body);
    await begin('security_settings');
    const elsewhere = await prove(response, 'security_settings');
    expect(outcome(elsewhere)).toEqual([403, 'INVALID_PASSKEY']);
    expect(await failureReasonsOf(staffId)).toEqual(['wrong_passkey']);
    clock.forward(61);
    expect(outcome(await prove(response, PURPOSE))).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
  });

  it.each([{ counts: true }, { counts: false }])(
    'sent twenty times at once makes one proof, and says so to all: %j',
    async (kind) => {
      const { passkey, begin, prove, staffId } = await seedOfficer(kind);
      const response = passkey.get((await begin(PURPOSE)).body);
      const answers = await Promise.all(Array.from({ length: 20 }, () => prove(response, PURPOSE)));
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
      const verified = (await challengesOf(staffId)).filter(({ verifiedAt }) => verifiedAt);
      expect(verified).toHaveLength(1);
      expect(await failureReasonsOf(staffId)).toEqual([]);
    },
  );

  it('begun again has a new challenge, and the older one is worth nothing', async () => {
    const { passkey, begin, prove } = await seedOfficer();
    const older = passkey.get((await begin(PURPOSE)).body);
    const newer = passkey.get((await begin(PURPOSE)).body);
    expect(outcome(await prove(older, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    expect((await prove(newer, PURPOSE)).status).toBe(200);
  });

  it('cannot be given where none was begun', async () => {
    const { token, passkey, prove } = await seedOfficer();
    await knock(token);
    const challenge = Buffer.alloc(32).toString('base64url');
    const response = passkey.get({ challenge, rpId: 'localhost' });
    expect(outcome(await prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
  });

  it('comes too late after ten minutes', async () => {
    const { token, passkey, begin, prove } = await seedOfficer();
    const { challengeId } = (await knock(token)).body;
    const response = passkey.get((await begin(PURPOSE, { challengeId })).body);
    clock.forward(600);
    const late = await prove(response, PURPOSE, { challengeId });
    expect(outcome(late)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect((await begin(PURPOSE, { challengeId })).status).toBe(404);
  });
});

describe('a challenge that closed meanwhile', () => {
  it('is given nothing to sign any more, however it was found open before', async () => {
    const { token, staffId, begin } = await seedOfficer();
    await knock(token);
    const [open] = await challengesOf(staffId);
    if (!open) throw new Error('no challenge was opened');
    const start = () =>
      deps.db.transaction(async (tx) => passkeyProof.start?.(deps, operatorContext, tx, open));
    expect(await start()).toMatchObject({ userVerification: 'required' });
    const { passkeyChallenge } = (await challengesOf(staffId))[0] ?? {};
    clock.forward(600);
    await expect(start()).rejects.toMatchObject({ code: 'CHALLENGE_NOT_FOUND' });
    expect((await challengesOf(staffId))[0]?.passkeyChallenge).toBe(passkeyChallenge);
    expect((await begin(PURPOSE)).status).toBe(200);
  });
});

describe('wrong answers', () => {
  it('count against the five tries of a challenge, which cannot be begun again then', async () => {
    const { token, passkey, begin, prove, staffId } = await seedOfficer();
    const { challengeId } = (await knock(token)).body;
    const options = (await begin(PURPOSE)).body;
    const left: unknown[] = [];
    for (let count = 0; count < 5; count += 1) {
      const wrong = passkey.get(options, { userVerified: false });
      left.push((await prove(wrong, PURPOSE, { challengeId })).body.attemptsLeft);
    }
    expect(left).toEqual([4, 3, 2, 1, 0]);
    const late = await prove(passkey.get(options), PURPOSE, { challengeId });
    expect(outcome(late)).toEqual([429, 'CHALLENGE_EXHAUSTED']);
    const again = await begin(PURPOSE, { challengeId });
    expect(outcome(again)).toEqual([429, 'CHALLENGE_EXHAUSTED']);
    expect(await failureReasonsOf(staffId)).toEqual(Array(5).fill('wrong_passkey'));
  });

  it('count together with wrong codes against the budget of the account', async () => {
    const { passkey, begin, prove } = await seedOfficer();
    const statuses: number[] = [];
    for (let count = 0; count < 11; count += 1) {
      const options = (await begin(PURPOSE)).body;
      const wrong = passkey.get(options, { userVerified: false });
      statuses.push((await prove(wrong, PURPOSE)).status);
    }
    expect(statuses).toEqual([...Array<number>(10).fill(403), 429]);
    const res = await prove(passkey.get((await begin(PURPOSE)).body), PURPOSE);
    expect(outcome(res)).toEqual([429, 'TOO_MANY_ATTEMPTS']);
  });

  it('with a passkey from somebody who has none are wrong answers too', async () => {
    const member = await seedTestUserAndToken();
    const token = await signIn(app, member);
    const { prove, begin } = passkeyCalls(app, token);
    const response = newAuthenticator(deps).get({ challenge: 'A'.repeat(43), rpId: 'localhost' });
    await askForProof(app, token, PURPOSE);
    expect(outcome(await prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    await giveFactor(member);
    expect(outcome(await begin(PURPOSE))).toEqual([409, 'METHOD_UNAVAILABLE']);
    expect(outcome(await prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    expect(await failureReasonsOf(member.staffId)).toEqual(['wrong_passkey', 'wrong_passkey']);
  });
});

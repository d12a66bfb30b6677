import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, passkeyRegistrations, passkeys } from '@/server/db/schema';
import { login } from '@/tests/helpers/http/authCalls';
import {
  givePasskey,
  newAuthenticator,
  passkeyCalls,
  passkeysOf,
} from '@/tests/helpers/passkeys/passkeyCalls';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeedOptions } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const PURPOSE = 'security_settings';
const clock = createMovableClock();
const node = buildApp({}, { clock });
const { app, deps } = node;

const outcome = (res: request.Response) => [res.status, res.body.error];

async function seedMember(options: SeedOptions = {}) {
  const member = await seedTestUserAndToken(options);
  return { ...member, ...passkeyCalls(app, member.token) };
}

const rowsOf = passkeysOf;

async function eventsOf(staffId: string) {
  const rows = await db.select().from(auditLogs).where(eq(auditLogs.actor, staffId));
  return rows
    .filter(({ action }) => action.startsWith('FACTOR_'))
    .map(({ action, details }) => ({ action, details }));
}

/** Gives a fresh proof for one registration, by the existing passkey. */
async function prove(
  { begin, prove: verify, register }: ReturnType<typeof passkeyCalls>,
  authenticator: ReturnType<typeof newAuthenticator>,
) {
  expect((await register()).status).toBe(428);
  const options = (await begin(PURPOSE)).body;
  expect((await verify(authenticator.get(options), PURPOSE)).status).toBe(200);
}

describe('the options of a registration', () => {
  it('ask for user verification and no attestation, and name the person by an opaque id', async () => {
    const { register, email, staffId } = await seedMember();
    const res = await register();
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({
      rp: { id: 'localhost' },
      user: { name: email },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      excludeCredentials: [],
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
      timeout: 300_000,
    });
    const handle = Buffer.from(res.body.user.id, 'base64url');
    expect(handle.toString('hex')).toBe(staffId.replaceAll('-', ''));
    expect(Buffer.from(res.body.challenge, 'base64url')).toHaveLength(32);
  });

  it('exclude the passkeys that are there', async () => {
    const member = await seedMember();
    const first = await givePasskey(node, member.token);
    await prove(member, first);
    const { excludeCredentials } = (await member.register()).body;
    expect(excludeCredentials).toEqual([
      { id: first.id, type: 'public-key', transports: ['internal', 'hybrid'] },
    ]);
  });

  it('take an access token, at both ends', async () => {
    const { register, finish } = passkeyCalls(app);
    expect((await register()).status).toBe(401);
    expect((await finish({})).status).toBe(401);
  });
});

describe('a registration', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)(
    'keeps what the authenticator made, with %s',
    async (algorithm) => {
      const { register, finish, staffId } = await seedMember();
      const authenticator = newAuthenticator(deps, {
        ...{ algorithm, counter: 6, backupEligible: true, backedUp: true },
      });
      const res = await finish(authenticator.create((await register()).body), 'My phone 📱');
      expect(res.status).toBe(200);
      const [row, ...others] = await rowsOf(staffId);
      expect(others).toEqual([]);
      expect(row).toMatchObject({
        ...{ name: 'My phone 📱', credentialId: authenticator.id, counter: 7, backedUp: true },
        transports: ['internal', 'hybrid'],
        lastUsedAt: null,
      });
      expect(res.body).toStrictEqual({ registered: true, factorId: row?.id, name: 'My phone 📱' });
      expect(await eventsOf(staffId)).toEqual([
        { action: 'FACTOR_ENROLLMENT_STARTED', details: { factor: 'passkey' } },
        { action: 'FACTOR_ENROLLED', details: { factor: 'passkey', via: 'api' } },
      ]);
    },
  );

  it('takes a response once', async () => {
    const { register, finish, staffId } = await seedMember();
    const response = newAuthenticator(deps).create((await register()).body);
    expect((await finish(response)).status).toBe(200);
    await db.delete(passkeys).where(eq(passkeys.staffId, staffId));
    expect(outcome(await finish(response))).toEqual([404, 'NOT_FOUND']);
  });

  it('takes a response once among twenty at a time', async () => {
    const { register, finish, staffId } = await seedMember();
    const response = newAuthenticator(deps).create((await register()).body);
    const answers = await Promise.all(Array.from({ length: 20 }, () => finish(response)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    // By then the first factor exists, so later registrations need a proof.
    expect(answers.filter(({ status }) => ![200, 404, 428].includes(status))).toEqual([]);
    expect(await rowsOf(staffId)).toHaveLength(1);
  });

  it('gives each challenge one response: after a bad one the good one comes too late', async () => {
    const { register, finish, staffId } = await seedMember();
    const authenticator = newAuthenticator(deps);
    const options = (await register()).body;
    const bad = authenticator.create(options, { userVerified: false });
    expect(outcome(await finish(bad))).toEqual([403, 'INVALID_PASSKEY']);
    expect(outcome(await finish(authenticator.create(options)))).toEqual([404, 'NOT_FOUND']);
    expect(await rowsOf(staffId)).toEqual([]);
  });

  it('begun again forgets the challenge handed out before', async () => {
    const { register, finish, staffId } = await seedMember();
    const older = (await register()).body;
    const newer = (await register()).body;
    expect(newer.challenge).not.toBe(older.challenge);
    expect(
      await db.select().from(passkeyRegistrations).where(eq(passkeyRegistrations.staffId, staffId)),
    ).toMatchObject([{ challenge: newer.challenge }]);
    const res = await finish(newAuthenticator(deps).create(older));
    expect(outcome(res)).toEqual([403, 'INVALID_PASSKEY']);
  });

  it('waits five minutes and no longer', async () => {
    const later = createMovableClock();
    const { app: patient } = buildApp({ accessTokenTtlSec: 900 }, { clock: later });
    const { body } = await login(patient, await seedTestUserAndToken());
    const { register, finish } = passkeyCalls(patient, String(body.accessToken));
    const late = newAuthenticator(deps).create((await register()).body);
    later.forward(300);
    expect(outcome(await finish(late))).toEqual([404, 'NOT_FOUND']);
    const inTime = newAuthenticator(deps).create((await register()).body);
    later.forward(299);
    expect((await finish(inTime)).status).toBe(200);
  });

  it("cannot be finished by somebody else, of the same tenant or another, and leaves the owner's open", async () => {
    const mine = await seedMember();
    const response = newAuthenticator(deps).create((await mine.register()).body);
    for (const tenantId of [mine.tenantId, undefined]) {
      const other = await seedMember(tenantId === undefined ? {} : { tenantId });
      expect(outcome(await other.finish(response))).toEqual([404, 'NOT_FOUND']);
      await other.register();
      expect(outcome(await other.finish(response))).toEqual([403, 'INVALID_PASSKEY']);
      expect(await rowsOf(other.staffId)).toEqual([]);
    }
    expect((await mine.finish(response)).status).toBe(200);
  });

  it.each(['', 'x'.repeat(65), 'a\0b', '\ud800', 7, null, ['a'], {}])(
    'is not named %p',
    async (name) => {
      const { register, finish } = await seedMember();
      const response = newAuthenticator(deps).create((await register()).body);
      expect(outcome(await finish(response, name))).toEqual([400, 'INVALID_INPUT']);
      // Nothing has happened by then.
      expect((await finish(response, 'x'.repeat(64))).status).toBe(200);
    },
  );
});

describe('a credential that is registered already', () => {
  it('is refused alike, whether it is of a colleague or of another tenant, and stays where it is', async () => {
    const owner = await seedMember();
    const taken = await givePasskey(node, owner.token);
    const answers: Record<string, unknown>[] = [];
    for (const tenantId of [owner.tenantId, undefined]) {
      const other = await seedMember(tenantId === undefined ? {} : { tenantId });
      const res = await other.finish(taken.copy().create((await other.register()).body));
      expect(outcome(res)).toEqual([409, 'PASSKEY_EXISTS']);
      const { correlationId, ...told } = res.body as Record<string, unknown>;
      expect(correlationId).toBeDefined();
      answers.push(told);
      for (const secret of [owner.staffId, owner.tenantId, owner.email, taken.id]) {
        expect(res.text).not.toContain(secret);
      }
      expect(await rowsOf(other.staffId)).toEqual([]);
    }
    await prove(owner, taken);
    const own = await owner.finish(taken.copy().create((await owner.register()).body));
    expect(answers[1]).toEqual(answers[0]);
    expect(own.body).toMatchObject(answers[0] ?? {});
    expect(await rowsOf(owner.staffId)).toHaveLength(1);
  });
});

describe('a second factor', () => {
  it('takes a proof for this very act with the passkey that is there, and one that was begun before none', async () => {
    const member = await seedMember();
    const response = newAuthenticator(deps).create((await member.register()).body);
    const first = await givePasskey(node, member.token);
    expect(outcome(await member.register())).toEqual([428, 'STEP_UP_REQUIRED']);
    // A registration that began while no proof was possible ends with the first factor.
    expect(outcome(await member.finish(response))).toEqual([404, 'NOT_FOUND']);
    await prove(member, first);
    await givePasskey(node, member.token);
    expect(await rowsOf(member.staffId)).toHaveLength(2);
  });

  it('takes one where there is an authenticator app, and that app where there is a passkey', async () => {
    const member = await seedMember();
    const secret = await giveFactor(member);
    expect(outcome(await member.register())).toEqual([428, 'STEP_UP_REQUIRED']);
    const proven = await member.proveByCode(codeAt(secret, clock.now()), PURPOSE);
    expect(proven.status).toBe(200);
    expect((await member.register()).status).toBe(200);

    const other = await seedMember();
    await givePasskey(node, other.token);
    const res = await request(app)
      .post('/api/security/totp/enroll')
      .set('authorization', `Bearer ${other.token}`);
    expect(outcome(res)).toEqual([428, 'STEP_UP_REQUIRED']);
  });

  it('does not come with a proof for another purpose', async () => {
    const member = await seedMember();
    const first = await givePasskey(node, member.token);
    const options = (await member.begin('data_export')).body;
    expect((await member.prove(first.get(options), 'data_export')).status).toBe(200);
    expect((await member.register()).status).toBe(428);
  });
});

describe('ten passkeys', () => {
  const fill = async (
    { tenantId, userId, staffId }: Record<'tenantId' | 'userId' | 'staffId', string>,
    count: number,
  ) => {
    const row = { tenantId, userId, staffId, name: 'Filler', publicKey: Buffer.alloc(1) };
    const more = { transports: [], backedUp: false };
    for (let at = 0; at < count; at += 1) {
      await db.insert(passkeys).values({ ...row, ...more, credentialId: `${staffId}-${at}` });
    }
  };

  it('are the most, at the start and at the end of a registration', async () => {
    const member = await seedMember();
    const first = await givePasskey(node, member.token);
    await prove(member, first);
    await fill(member, 8);
    const options = (await member.register()).body;
    expect((await member.finish(newAuthenticator(deps).create(options))).status).toBe(200);
    await prove(member, first);
    expect(outcome(await member.register())).toEqual([409, 'TOO_MANY_FACTORS']);
  });

  it('are the most also where the tenth came between the start and the end', async () => {
    const member = await seedMember();
    const first = await givePasskey(node, member.token);
    await prove(member, first);
    const options = (await member.register()).body;
    await fill(member, 9);
    const res = await member.finish(newAuthenticator(deps).create(options));
    expect(outcome(res)).toEqual([409, 'TOO_MANY_FACTORS']);
    expect(await rowsOf(member.staffId)).toHaveLength(10);
  });
});

describe('where passkeys are not set up', () => {
  it('nobody can register one, and nobody is offered one', async () => {
    const without = buildApp({ webauthn: null }, { clock });
    const member = await seedMember();
    await givePasskey(node, member.token);
    const calls = passkeyCalls(without.app, member.token);
    expect(outcome(await calls.register())).toEqual([409, 'METHOD_UNAVAILABLE']);
    expect(outcome(await calls.begin(PURPOSE))).toEqual([409, 'METHOD_UNAVAILABLE']);
    const proof = await calls.proveByCode('123456', PURPOSE);
    expect(outcome(proof)).toEqual([403, 'INVALID_CODE']);
  });
});

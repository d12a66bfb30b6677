import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, userTotp } from '@/server/db/schema';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { tablesHolding } from '@/tests/helpers/database/authRows';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const clock = createMovableClock();
const { app } = buildApp({}, { clock });

const code = (secret: string) => codeAt(secret, clock.now());
const outcome = (res: request.Response) => [res.status, res.body.error];

function callAs(token: string) {
  const post = (path: string, body: object) =>
    request(app).post(path).set('authorization', `Bearer ${token}`).send(body);
  return {
    enroll: () => post('/api/security/totp/enroll', {}),
    confirm: (value: unknown) => post('/api/security/totp/confirm', { code: value }),
    /** Answers after the session has been asked. */
    prove: async (value: string, purpose = 'security_settings') => {
      await askForProof(app, token, purpose);
      return post('/api/security/step-up/verify', { code: value, purpose });
    },
  };
}

async function seedMember() {
  const member = await seedTestUserAndToken();
  return { ...member, ...callAs(member.token) };
}

async function seedEnrolled() {
  const member = await seedMember();
  const secret = await giveFactor(member);
  return { ...member, secret };
}

const rowsOf = (staffId: string) => db.select().from(userTotp).where(eq(userTotp.staffId, staffId));

async function actionsOf(staffId: string): Promise<string[]> {
  const rows = await db.select().from(auditLogs).where(eq(auditLogs.actor, staffId));
  return rows.map(({ action }) => action).filter((action) => action.startsWith('FACTOR_'));
}

describe('enrolling the first authenticator', () => {
  it('hands out a secret, an otpauth URI and a QR code, and takes a code from it', async () => {
    const { enroll, confirm, prove, staffId, email } = await seedMember();
    const offer = await enroll();
    expect(offer.status).toBe(200);
    const { secret, otpauthUri, qrSvg, factorId } = offer.body;
    // RFC 4226 4, R6: 160 bits are 32 characters of base32.
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    const uri = new URL(otpauthUri);
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(uri.searchParams.get('secret')).toBe(secret);
    expect(decodeURIComponent(uri.pathname)).toContain(email);
    expect(qrSvg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(qrSvg).not.toMatch(/<script|href=/);

    const confirmed = await confirm(code(secret));
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toStrictEqual({ confirmed: true, factorId });
    expect(await actionsOf(staffId)).toEqual(['FACTOR_ENROLLMENT_STARTED', 'FACTOR_ENROLLED']);

    // The code that confirmed it is spent.
    expect((await prove(code(secret))).status).toBe(403);
    clock.forward(30);
    expect((await prove(code(secret))).status).toBe(200);
  });

  it('counts for nothing before it is confirmed', async () => {
    const { enroll, prove } = await seedMember();
    const { secret } = (await enroll()).body;
    expect(outcome(await prove(code(secret)))).toEqual([403, 'INVALID_CODE']);
  });

  it('is refused with a wrong code, and the right one still works', async () => {
    const { enroll, confirm, staffId } = await seedMember();
    const { secret } = (await enroll()).body;
    const [wrong] = wrongCodes(secret, clock.now(), 1);
    expect(outcome(await confirm(wrong))).toEqual([403, 'INVALID_CODE']);
    expect((await rowsOf(staffId))[0]?.confirmedAt).toBeNull();
    expect((await confirm(code(secret))).status).toBe(200);
  });

  it('begun again forgets the secret handed out before', async () => {
    const { enroll, confirm, staffId } = await seedMember();
    const first = (await enroll()).body.secret;
    const second = (await enroll()).body.secret;
    expect(second).not.toBe(first);
    expect((await confirm(code(first))).status).toBe(403);
    expect((await confirm(code(second))).status).toBe(200);
    expect(await rowsOf(staffId)).toHaveLength(1);
  });

  it('cannot be confirmed where none is open, nor twice', async () => {
    const { enroll, confirm } = await seedMember();
    expect(outcome(await confirm('123456'))).toEqual([404, 'NOT_FOUND']);
    const { secret } = (await enroll()).body;
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => confirm(code(secret))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("cannot be confirmed by somebody else: another member's code finds no enrolment", async () => {
    const mine = await seedMember();
    const other = await seedMember();
    const { secret } = (await mine.enroll()).body;
    expect((await other.confirm(code(secret))).status).toBe(404);
    expect((await mine.confirm(code(secret))).status).toBe(200);
  });

  it('takes an access token', async () => {
    for (const path of ['/api/security/totp/enroll', '/api/security/totp/confirm']) {
      expect((await request(app).post(path).send({ code: '123456' })).status).toBe(401);
    }
  });
});

describe('another authenticator', () => {
  it('takes a step-up with the first one to begin, and stands beside it', async () => {
    const { enroll, confirm, prove, secret, staffId } = await seedEnrolled();
    expect(outcome(await enroll())).toEqual([428, 'STEP_UP_REQUIRED']);
    expect(outcome(await confirm('123456'))).toEqual([404, 'NOT_FOUND']);
    expect((await prove(code(secret))).status).toBe(200);
    const next = (await enroll()).body.secret;
    expect((await confirm(code(next))).status).toBe(200);
    expect(await rowsOf(staffId)).toHaveLength(2);
    expect(await actionsOf(staffId)).toEqual(['FACTOR_ENROLLMENT_STARTED', 'FACTOR_ENROLLED']);
    clock.forward(30);
    expect((await prove(code(secret))).status).toBe(200);
    expect((await prove(code(next))).status).toBe(200);
  });

  it('leaves the old one in force until the new one is confirmed', async () => {
    const { enroll, prove, secret } = await seedEnrolled();
    expect((await enroll()).status).toBe(428);
    expect((await prove(code(secret))).status).toBe(200);
    expect((await enroll()).status).toBe(200);
    clock.forward(30);
    expect((await prove(code(secret), 'data_export')).status).toBe(200);
  });

  it('takes a step-up for security settings, and no other', async () => {
    const { enroll, prove, secret } = await seedEnrolled();
    expect((await prove(code(secret), 'data_export')).status).toBe(200);
    expect((await enroll()).status).toBe(428);
  });
});

describe('the secret', () => {
  it('is in no table in any readable form, and neither is a code', async () => {
    const { enroll, confirm } = await seedMember();
    const { secret, otpauthUri } = (await enroll()).body;
    const shown = code(secret);
    expect((await confirm(shown)).status).toBe(200);
    for (const text of [secret, otpauthUri, Buffer.from(secret).toString('hex'), `"${shown}"`]) {
      expect(await tablesHolding(String(text))).toEqual([]);
    }
  });

  it('is handed out once: no later answer has it', async () => {
    const { enroll, confirm, token } = await seedMember();
    const { secret } = (await enroll()).body;
    const confirmed = await confirm(code(secret));
    const me = await request(app).get('/api/auth/me').set('authorization', `Bearer ${token}`);
    expect(confirmed.text + me.text).not.toContain(secret);
  });
});

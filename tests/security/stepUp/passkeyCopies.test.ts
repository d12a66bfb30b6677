import { eq } from 'drizzle-orm';
import type request from 'supertest';
import { db } from '@/server/db';
import { passkeys } from '@/server/db/schema';
import { authenticationResponse } from '@/server/security/stepUp/passkeyInput';
import { passkeyProof } from '@/server/security/stepUp/proofs/passkeyProof';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import {
  failureReasonsOf,
  passkeyCalls,
  passkeysOf,
  seedHolder,
  signIn,
} from '@/tests/helpers/passkeys/passkeyCalls';
import { buildApp } from '@/tests/helpers/server/testApp';

const PURPOSE = 'data_export';
const { lines, logger } = memoryLog();
const node = buildApp({}, { logger });
const { app, deps } = node;

const outcome = (res: request.Response) => [res.status, res.body.error];
const seedOfficer = (options?: Parameters<typeof seedHolder>[1]) => seedHolder(node, options);
const rowOf = async (staffId: string) => (await passkeysOf(staffId))[0];

describe('a copied authenticator', () => {
  const COPIED =
    'the counter of a passkey did not grow: the passkey was copied, or its counter was reset';

  it('is found by its counter: refused, audited, logged, and the passkey stays', async () => {
    const { staffId, passkey, begin, prove } = await seedOfficer();
    const copy = passkey.copy();
    await prove(passkey.get((await begin(PURPOSE)).body), PURPOSE);
    const stolen = copy.get((await begin('impersonation')).body);
    expect(outcome(await prove(stolen, 'impersonation'))).toEqual([403, 'INVALID_PASSKEY']);
    expect(await failureReasonsOf(staffId)).toEqual(['passkey_copied']);
    const { id: passkeyId } = (await rowOf(staffId)) ?? {};
    const logged = lines.filter(({ msg }) => msg === COPIED);
    expect(logged).toMatchObject([{ level: 40, passkeyId, staffId }]);
    expect(await rowOf(staffId)).toMatchObject({ counter: 2 });
    const next = passkey.get((await begin('impersonation')).body);
    expect((await prove(next, 'impersonation')).status).toBe(200);
  });

  it.each([
    ['one that stands still', 7],
    ['one that falls', 6],
    ['one that falls to 0', 0],
  ])('is %s', async (_name, counter) => {
    const { staffId, passkey, begin, prove } = await seedOfficer({ counter: 6 });
    const response = passkey.get((await begin(PURPOSE)).body, { counter });
    expect(outcome(await prove(response, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    expect(await failureReasonsOf(staffId)).toEqual(['passkey_copied']);
  });

  it('is not one that keeps no counter', async () => {
    const { staffId, passkey, begin, prove } = await seedOfficer({ counts: false });
    for (const purpose of [PURPOSE, 'impersonation', 'security_settings']) {
      expect((await prove(passkey.get((await begin(purpose)).body), purpose)).status).toBe(200);
    }
    expect(await rowOf(staffId)).toMatchObject({ counter: 0 });
  });

  it('and its original in two sessions at once: one of them passes', async () => {
    const officer = await seedOfficer();
    const other = passkeyCalls(app, await signIn(app, officer));
    const copy = officer.passkey.copy();
    const first = officer.passkey.get((await officer.begin(PURPOSE)).body);
    const second = copy.get((await other.begin(PURPOSE)).body);
    const answers = await Promise.all([
      officer.prove(first, PURPOSE),
      other.prove(second, PURPOSE),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
    expect(await failureReasonsOf(officer.staffId)).toEqual(['passkey_copied']);
  });

  it('cannot be claimed by who does not hold the key', async () => {
    const { staffId, passkey, begin, prove } = await seedOfficer({ counter: 6 });
    const options = (await begin(PURPOSE)).body;
    const forged = passkey.get(options, { counter: 1, signature: Buffer.alloc(70, 1) });
    expect((await prove(forged, PURPOSE)).status).toBe(403);
    expect(await failureReasonsOf(staffId)).toEqual(['wrong_passkey']);
  });

  it('is not what is said of a passkey that went away meanwhile', async () => {
    const { staffId, passkey, begin } = await seedOfficer();
    const response = authenticationResponse.parse(passkey.get((await begin(PURPOSE)).body));
    const [challenge] = await challengesOf(staffId);
    const answer = { kind: 'passkey' as const, response };
    if (!challenge) throw new Error('no challenge was opened');
    const spend = await passkeyProof.check(deps, challenge, answer);
    if (typeof spend === 'string') throw new Error(spend);
    await db.delete(passkeys).where(eq(passkeys.staffId, staffId));
    expect(await db.transaction((tx) => spend(tx, operatorContext))).toBe('wrong_passkey');
  });
});

describe('a passkey that is synced between devices', () => {
  const synced = { backupEligible: true, backedUp: true, counter: 6 };
  const signalsOf = async (tenantId: string) =>
    (await auditOf('PASSKEY_SIGNAL', tenantId)).map(({ details }) => details['signal']);

  it.each([
    ['stands still', 7],
    ['falls', 3],
  ])(
    'is a signal, audited and logged, and no refusal, if its counter %s',
    async (_how, counter) => {
      const { tenantId, staffId, passkey, begin, prove } = await seedOfficer(synced);
      const response = passkey.get((await begin(PURPOSE)).body, { counter });
      expect((await prove(response, PURPOSE)).status).toBe(200);
      expect(await failureReasonsOf(staffId)).toEqual([]);
      expect(await rowOf(staffId)).toMatchObject({ counter: 7, backupEligible: true });
      const [event] = await auditOf('PASSKEY_SIGNAL', tenantId);
      const { id: passkeyId = '' } = (await rowOf(staffId)) ?? {};
      expect(event).toMatchObject({ actor: staffId, subject: `factor:${passkeyId}` });
      expect(await signalsOf(tenantId)).toEqual(['counter_stalled']);
      expect(lines.filter(({ msg }) => msg === 'passkey signal').slice(-1)).toMatchObject([
        { passkeyId, signal: 'counter_stalled', counter },
      ]);
    },
  );

  it('is a signal when its backup begins and when it ends', async () => {
    const { tenantId, passkey, begin, prove } = await seedOfficer({ backupEligible: true });
    for (const moreFlags of [0x10, 0]) {
      const purpose = moreFlags ? PURPOSE : 'impersonation';
      const response = passkey.get((await begin(purpose)).body, { moreFlags });
      expect((await prove(response, purpose)).status).toBe(200);
    }
    expect(await signalsOf(tenantId)).toEqual(['backed_up', 'backup_ended']);
  });

  it('is not what a passkey of one device can say of itself later', async () => {
    const { staffId, passkey, begin, prove } = await seedOfficer({ counter: 6 });
    for (const counter of [7, 9]) {
      const claim = passkey.get((await begin(PURPOSE)).body, { counter, moreFlags: 0x08 });
      expect(outcome(await prove(claim, PURPOSE))).toEqual([403, 'INVALID_PASSKEY']);
    }
    expect(await failureReasonsOf(staffId)).toEqual(['passkey_copied', 'passkey_copied']);
  });

  it('registered before that was kept, counts as bound to its device until a use with a grown counter says otherwise', async () => {
    const { tenantId, staffId, passkey, begin, prove } = await seedOfficer({
      ...synced,
      backedUp: false,
    });
    await db.update(passkeys).set({ backupEligible: null }).where(eq(passkeys.staffId, staffId));
    const stalled = passkey.get((await begin(PURPOSE)).body, { counter: 7 });
    expect((await prove(stalled, PURPOSE)).status).toBe(403);
    const grown = passkey.get((await begin(PURPOSE)).body, { counter: 8 });
    expect((await prove(grown, PURPOSE)).status).toBe(200);
    expect(await rowOf(staffId)).toMatchObject({ backupEligible: true });
    const next = passkey.get((await begin('impersonation')).body, { counter: 8 });
    expect((await prove(next, 'impersonation')).status).toBe(200);
    expect(await signalsOf(tenantId)).toEqual(['counter_stalled']);
  });
});

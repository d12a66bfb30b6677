import { codeAt } from '../stepUp/secondFactor';
import { decoys } from './aim';
import type { Sweep } from './aim';

/** Fits both schemas, but proves nothing. */
const PASSKEY = {
  ...{ id: 'A'.repeat(43), rawId: 'A'.repeat(43), type: 'public-key' },
  response: {
    ...{ clientDataJSON: 'e30', authenticatorData: 'AAAA', signature: 'AAAA' },
    attestationObject: 'oA',
  },
};

/** The foreign ids that can be sent to the routes of step-ups and of factors. */
export const STEP_UP_SWEEP: Sweep = {
  'post /api/security/step-up/start': (ids) => {
    const [exporting, settings] = ['data_export', 'security_settings'].map((purpose) => ({
      method: 'passkey',
      purpose,
    }));
    return [
      { body: { ...exporting, challengeId: ids.sessionChallengeId }, expected: 404 },
      { body: { ...exporting, challengeId: ids.challengeRowId }, expected: 404 },
      { body: { ...settings, challengeId: ids.loginChallengeId }, expected: 404 },
      { body: { ...exporting, ...decoys(ids) }, expected: 409 },
    ];
  },
  'post /api/security/step-up/verify': (ids, { secret }) => {
    const code = codeAt(secret, new Date());
    const purpose = 'data_export';
    return [
      { body: { code, purpose, challengeId: ids.sessionChallengeId }, expected: 404 },
      { body: { code, purpose, challengeId: ids.challengeRowId }, expected: 404 },
      {
        body: { code, purpose: 'security_settings', challengeId: ids.loginChallengeId },
        expected: 404,
      },
      { body: { passkey: PASSKEY, purpose, challengeId: ids.sessionChallengeId }, expected: 404 },
      // The decoys refer to nothing, because this session was not asked for a proof.
      { body: { passkey: PASSKEY, purpose, ...decoys(ids) }, expected: 409 },
      { body: { code, purpose, ...decoys(ids) }, expected: 409 },
    ];
  },
  'post /api/security/passkeys/register/start': (ids) => [{ body: decoys(ids), expected: 200 }],
  'post /api/security/passkeys/register/finish': (ids) => [
    { body: { name: 'Key', response: PASSKEY, ...decoys(ids) }, expected: 404 },
  ],
  'post /api/security/totp/enroll': (ids) => [{ body: decoys(ids), expected: 200 }],
  'post /api/security/totp/confirm': (ids) => [
    { body: { code: '123456', ...decoys(ids) }, expected: 404 },
  ],
  'get /api/security/factors': () => [{ expected: 200 }],
  'delete /api/security/factors/:id': (ids) =>
    [ids.factorId, ids.staffId].map((id) => ({
      path: `/api/security/factors/${id}`,
      expected: 404,
    })),
  'post /api/security/recovery-codes': (ids) => [{ body: decoys(ids), expected: 200 }],
};

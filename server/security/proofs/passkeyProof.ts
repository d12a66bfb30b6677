import { generateAuthenticationOptions } from '@simplewebauthn/server';
import { AppError } from '../../errors';
import { keepPasskeyChallenge, spendPasskeyChallenge } from '../challengeStore';
import type { Challenge } from '../challengeStore';
import { checkAssertion } from '../checkPasskey';
import type { Assertion } from '../checkPasskey';
import { findPasskey, hasPasskeys, listPasskeys, movePasskeyCounter } from '../passkeyStore';
import type { PasskeyRow } from '../passkeyStore';
import type { Proof, ProofDeps, Spend } from './proof';

/** WebAuthn Level 3 13.4.3: 16 bytes at least. */
const CHALLENGE_BYTES = 32;
/** WebAuthn Level 3 15.1 recommends five minutes where somebody has to be verified. */
const TIMEOUT_MS = 300_000;

interface Signed {
  challenge: Challenge;
  passkey: PasskeyRow;
  assertion: Assertion;
}

function spendAssertion(deps: ProofDeps, { challenge, passkey, assertion }: Signed): Spend {
  return async (tx) => {
    if (!(await spendPasskeyChallenge(tx, challenge))) return false;
    const now = deps.clock.now();
    if (await movePasskeyCounter(tx, passkey.id, { ...assertion, now })) return true;
    if (!(await findPasskey(tx, challenge, passkey.credentialId))) return 'wrong_passkey';
    const { id: passkeyId, staffId } = passkey;
    const what = 'the counter of a passkey did not grow: there are two of it, or it was set back';
    deps.logger.warn({ passkeyId, staffId, counter: assertion.counter }, what);
    return 'passkey_copied';
  };
}

/** An assertion of a passkey (WebAuthn Level 3): it cannot be given to another site, nor read out. */
export const passkeyProof: Proof = {
  method: 'passkey',
  isAvailable: async (deps, db, { tenantId, staffId }) =>
    deps.config.webauthn !== null && (await hasPasskeys(db, tenantId, staffId)),
  async start(deps, _ctx, tx, challenge) {
    const { webauthn } = deps.config;
    if (!webauthn) throw new AppError('METHOD_UNAVAILABLE');
    const passkeys = await listPasskeys(tx, challenge.tenantId, challenge.staffId);
    const options = await generateAuthenticationOptions({
      rpID: webauthn.rpId,
      allowCredentials: passkeys.map(({ credentialId: id, transports }) => ({ id, transports })),
      challenge: new Uint8Array(deps.random.bytes(CHALLENGE_BYTES)),
      timeout: TIMEOUT_MS,
      userVerification: 'required',
    });
    const kept = { passkeyChallenge: options.challenge, now: deps.clock.now() };
    if (!(await keepPasskeyChallenge(tx, challenge.id, kept))) {
      throw new AppError('CHALLENGE_NOT_FOUND');
    }
    return { ...options };
  },
  fits: (answer) => answer.kind === 'passkey',
  async check(deps, challenge, answer) {
    const { webauthn } = deps.config;
    const { passkeyChallenge } = challenge;
    if (answer.kind !== 'passkey' || !webauthn || passkeyChallenge === null) return 'wrong_passkey';
    const passkey = await findPasskey(deps.db, challenge, answer.response.id);
    if (!passkey) return 'wrong_passkey';
    const assertion = await checkAssertion(webauthn, passkey, answer.response, passkeyChallenge);
    return assertion ? spendAssertion(deps, { challenge, passkey, assertion }) : 'wrong_passkey';
  },
};

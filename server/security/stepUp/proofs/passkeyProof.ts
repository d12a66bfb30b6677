import { generateAuthenticationOptions } from '@simplewebauthn/server';
import { recordAudit } from '../../../audit';
import type { AuditEvent } from '../../../audit';
import type { RequestContext } from '../../../context';
import type { Tx } from '../../../db';
import { AppError } from '../../../errors';
import { keepPasskeyChallenge, spendPasskeyChallenge } from '../challengeStore';
import type { Challenge } from '../challengeStore';
import { CEREMONY_MS, CHALLENGE_BYTES, checkAssertion, logForeignOrigin } from '../checkPasskey';
import type { Assertion } from '../checkPasskey';
import { findPasskey, hasPasskeys, listPasskeys, movePasskeyCounter } from '../passkeyStore';
import type { PasskeyRow } from '../passkeyStore';
import type { Proof, ProofDeps, Spend } from './proof';

type Signal = Extract<AuditEvent, { action: 'PASSKEY_SIGNAL' }>['details']['signal'];

interface Signed {
  challenge: Challenge;
  passkey: PasskeyRow;
  assertion: Assertion;
}

const COPIED =
  'the counter of a passkey did not grow: the passkey was copied, or its counter was reset';

/**
 * Records what a use shows that is not a fault but should be visible: an audit event and a log line
 * for each signal.
 */
async function noteSignals(
  deps: ProofDeps,
  tx: Tx,
  ctx: RequestContext,
  { challenge, passkey, assertion }: Signed,
  stalled: boolean,
): Promise<void> {
  const signals: Signal[] = stalled ? ['counter_stalled'] : [];
  if (passkey.backedUp !== assertion.backedUp) {
    signals.push(assertion.backedUp ? 'backed_up' : 'backup_ended');
  }
  for (const signal of signals) {
    const { id: passkeyId, staffId } = passkey;
    deps.logger.info({ passkeyId, staffId, signal, counter: assertion.counter }, 'passkey signal');
    await recordAudit(tx, ctx, {
      action: 'PASSKEY_SIGNAL',
      outcome: 'success',
      tenantId: challenge.tenantId,
      actor: staffId,
      sessionId: challenge.sessionId,
      subject: `factor:${passkeyId}`,
      details: { signal },
    });
  }
}

function spendAssertion(deps: ProofDeps, signed: Signed): Spend {
  const { challenge, passkey, assertion } = signed;
  return async (tx, ctx) => {
    if (!(await spendPasskeyChallenge(tx, challenge))) return false;
    const now = deps.clock.now();
    // Backup eligibility never changes (WebAuthn Level 3 7.2), so a different value means another
    // authenticator.
    const changed =
      (passkey.backupEligible ?? assertion.backupEligible) !== assertion.backupEligible;
    const move = changed
      ? 'copied'
      : await movePasskeyCounter(tx, passkey.id, { ...assertion, now });
    if (move !== 'copied') {
      await noteSignals(deps, tx, ctx, signed, move === 'stalled');
      return true;
    }
    if (!(await findPasskey(tx, challenge, passkey.credentialId))) return 'wrong_passkey';
    const { id: passkeyId, staffId } = passkey;
    const what = changed
      ? 'a passkey changed its statement on whether it can be backed up'
      : COPIED;
    deps.logger.warn({ passkeyId, staffId, counter: assertion.counter }, what);
    return 'passkey_copied';
  };
}

/**
 * The proof by a passkey assertion (WebAuthn Level 3): it cannot be phished or copied from the
 * server.
 */
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
      timeout: CEREMONY_MS,
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
    if (assertion) return spendAssertion(deps, { challenge, passkey, assertion });
    logForeignOrigin(deps, webauthn, answer.response);
    return 'wrong_passkey';
  },
};

import type { PoolClient } from 'pg';
import { findSigner, nameKey, originOf, parseNote } from '../audit';
import type { KeyRing } from '../keyRing';
import type { KeySetting } from '../keySettings';
import { openMail } from '../mail';
import { hashesOfAgent, openTotpSecret } from '../security';
import { sampleCheckpoints, sampleHashed, sampleSealed } from './keyCheckStore';

/**
 * - `unused`: the database holds nothing that a key of this setting has made.
 * - `proven`: a key of this process opens or verifies what the database holds.
 * - `wrong`: nothing that could be tried fits.
 * - `unprovable`: the database holds something, and nothing of it can be tried.
 */
export type Proof = 'unused' | 'proven' | 'wrong' | 'unprovable';

type Prover = (keys: KeyRing, client: Pick<PoolClient, 'query'>) => Promise<Proof>;

const judge = (fits: readonly boolean[]): Proof => (fits.some(Boolean) ? 'proven' : 'wrong');

/** One by one: what its owner moved by SQL opens for nobody, and says nothing of the key. */
const proveEncryption: Prover = async (keys, client) => {
  const { totp, mails } = await sampleSealed(client);
  if (totp.length + mails.length === 0) return 'unused';
  return judge([
    ...totp.map((row) => openTotpSecret(keys, row, row.sealed) !== null),
    ...mails.map(({ id, sealed }) => openMail(keys, id, sealed) !== null),
  ]);
};

/** Hashes prove nothing unless what was hashed is known: of a session, the user agent is. */
const proveTokenHash: Prover = async (keys, client) => {
  const { any, sessions } = await sampleHashed(client);
  if (!any) return 'unused';
  if (sessions.length === 0) return 'unprovable';
  return judge(
    sessions.map(({ userAgent, deviceHashes }) =>
      hashesOfAgent(keys, userAgent).some((hash) => deviceHashes.includes(hash)),
    ),
  );
};

/** The newest signed head must be by a key that is believed here. */
const proveEvidence: Prover = async (keys, client) => {
  const [newest] = await sampleCheckpoints(client);
  if (!newest) return 'unused';
  const note = parseNote(newest.note);
  const name = originOf(newest.logId);
  const believed = keys.evidence.believed.map(({ publicKey }) => nameKey(name, publicKey));
  return judge([note !== undefined && findSigner(note, believed) !== undefined]);
};

/** Finds out whether the keys of this process made what the database holds, for each setting. */
export const PROVERS: Readonly<Record<KeySetting, Prover>> = {
  // Access tokens are stored nowhere: there is nothing that another key could have made.
  JWT_SIGNING_KEY: () => Promise.resolve('unused'),
  TOKEN_HASH_KEY: proveTokenHash,
  ENCRYPTION_KEY: proveEncryption,
  EVIDENCE_SIGNING_KEY: proveEvidence,
};

import type { PoolClient } from 'pg';
import { findSigner, nameKey, originOf, parseNote } from '../audit';
import type { KeyRing } from '../keyRing';
import type { KeySetting } from '../config/keySettings';
import { openMail } from '../mail';
import { hashesOfAgent, openTotpSecret } from '../security';
import { openClientSecret } from '../ssoConnections';
import { sampleCheckpoints, sampleHashed, sampleSealed } from './keyCheckStore';

/**
 * The result of proving a key against the data.
 * - `unused`: the database holds nothing that a key of this setting has made.
 * - `proven`: a key of this process opens or verifies at least one sample.
 * - `wrong`: no sample fits.
 * - `unprovable`: the database holds data of this setting, but none that can be tried.
 */
export type Proof = 'unused' | 'proven' | 'wrong' | 'unprovable';

type Prover = (keys: KeyRing, client: Pick<PoolClient, 'query'>) => Promise<Proof>;

const judge = (fits: readonly boolean[]): Proof => (fits.some(Boolean) ? 'proven' : 'wrong');

/**
 * Tries each sample by itself. A row that its owner moved by SQL never opens, which proves nothing
 * about the key.
 */
const proveEncryption: Prover = async (keys, client) => {
  const { totp, mails, ssoSecrets } = await sampleSealed(client);
  if (totp.length + mails.length + ssoSecrets.length === 0) return 'unused';
  return judge([
    ...totp.map((row) => openTotpSecret(keys, row, row.sealed) !== null),
    ...mails.map(({ id, sealed }) => openMail(keys, id, sealed) !== null),
    ...ssoSecrets.map((row) => openClientSecret(keys, row, row.sealed) !== null),
  ]);
};

/** A hash proves nothing unless its input is known. For a session the user agent is known. */
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

/** The newest signed checkpoint must be signed by a key that this process believes. */
const proveEvidence: Prover = async (keys, client) => {
  const [newest] = await sampleCheckpoints(client);
  if (!newest) return 'unused';
  const note = parseNote(newest.note);
  const name = originOf(newest.logId);
  const believed = keys.evidence.believed.map(({ publicKey }) => nameKey(name, publicKey));
  return judge([note !== undefined && findSigner(note, believed) !== undefined]);
};

/** For each setting, finds out whether the keys of this process made the data in the database. */
export const PROVERS: Readonly<Record<KeySetting, Prover>> = {
  // Access tokens are not stored, so nothing in the database comes from another key.
  JWT_SIGNING_KEY: () => Promise.resolve('unused'),
  TOKEN_HASH_KEY: proveTokenHash,
  ENCRYPTION_KEY: proveEncryption,
  EVIDENCE_SIGNING_KEY: proveEvidence,
};

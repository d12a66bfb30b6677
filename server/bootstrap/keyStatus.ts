import type { Pool } from 'pg';
import type { KeyRing } from '../keyRing';
import { LINK_DAYS } from '../mail';
import { countLeft, lastNoticeLink, listUsedKeys } from './keyStatusStore';
import type { LeftKind, LeftUnderKey, UsedKey } from './keyStatusStore';

export interface KeyStatus extends UsedKey {
  /** Whether this process uses it, accepts it, or lacks it. */
  state: 'current' | 'accepted' | 'missing';
  left: Partial<Record<LeftKind, number>>;
  /** When the last of what blocks it ends by itself; null if nothing does. */
  blocksUntil: Date | null;
  /** Whether nobody would be signed out, and nothing be lost that cannot be made again, without it. */
  canGo: boolean;
}

const KINDS: Readonly<Record<string, readonly LeftKind[]>> = {
  TOKEN_HASH_KEY: ['refreshTokens', 'sessions', 'recoveryCodes', 'knownDevices'],
  ENCRYPTION_KEY: ['totpSecrets', 'mails'],
};
/** Nobody is signed out without them; and a session has links of its chain, which block as long as it lives. */
const NEVER_BLOCK: readonly LeftKind[] = ['sessions', 'recoveryCodes', 'knownDevices'];

/** Until every node of a rotation uses the new key, the old one goes on being used. */
const ROLLOUT_MS = 3_600_000;
/** The longest life of an access token, and the leeway. */
const ACCESS_TOKEN_MS = 930_000;

const later = (one: Date | null, other: Date | null) =>
  one === null || (other !== null && other > one) ? other : one;

/** What does not name its key is older than the names: the setting's first key made it. */
const isOf = (left: LeftUnderKey, keyId: string, first: boolean) =>
  left.keyId === keyId || (first && left.keyId === null);

/** By time alone: what a key has made that is stored nowhere, or names no key. */
async function findTimedEnd(pool: Pool, key: UsedKey, next: UsedKey): Promise<Date | null> {
  const usedUntil = new Date(next.firstUsedAt.getTime() + ROLLOUT_MS);
  if (key.setting === 'TOKEN_HASH_KEY') return lastNoticeLink(pool, usedUntil, LINK_DAYS);
  if (key.setting !== 'JWT_SIGNING_KEY') return null;
  const end = new Date(next.firstUsedAt.getTime() + ACCESS_TOKEN_MS);
  return end.getTime() > Date.now() ? end : null;
}

/** Counts what is left under each key that this database was written with, and says which keys can go. */
export async function readKeyStatus(deps: { pool: Pool; keys: KeyRing }): Promise<KeyStatus[]> {
  const used = await listUsedKeys(deps.pool);
  const kinds = Object.values(KINDS).flat();
  const counts = await Promise.all(
    kinds.map(async (kind) => [kind, await countLeft(deps.pool, kind)] as const),
  );
  const countsOf = new Map(counts);
  const statuses: KeyStatus[] = [];
  for (const key of used) {
    const siblings = used.filter(({ setting }) => setting === key.setting);
    const next = siblings[siblings.indexOf(key) + 1];
    const own = deps.keys.checked.find(({ setting }) => setting === key.setting);
    const known = own?.knownIds.includes(key.keyId) === true ? 'accepted' : 'missing';
    const state = own?.keyId === key.keyId ? 'current' : known;
    const left: KeyStatus['left'] = {};
    let blocksUntil = next ? await findTimedEnd(deps.pool, key, next) : null;
    let blocked = blocksUntil !== null;
    for (const kind of KINDS[key.setting] ?? []) {
      const rows = (countsOf.get(kind) ?? []).filter((row) =>
        isOf(row, key.keyId, siblings[0] === key),
      );
      left[kind] = rows.reduce((sum, { count }) => sum + count, 0);
      if (NEVER_BLOCK.includes(kind)) continue;
      blocked ||= left[kind] > 0;
      for (const { until } of rows) blocksUntil = later(blocksUntil, until);
    }
    // A log that has not grown since is still under the signature of its former key.
    const canGo = state !== 'current' && !blocked && key.setting !== 'EVIDENCE_SIGNING_KEY';
    statuses.push({ ...key, state, left, blocksUntil, canGo });
  }
  return statuses;
}

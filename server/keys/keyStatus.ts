import type { Pool, PoolClient } from 'pg';
import { LEEWAY_SEC } from '../auth';
import { LONGEST_ACCESS_TOKEN_SEC } from '../config/sessionSettings';
import { clientAcrossTenants } from '../db/tenantScope';
import type { KeyRing } from '../keyRing';
import { LINK_DAYS } from '../mail';
import { HOUR_MS, SECOND_MS } from '../durations';
import { countLeft, lastNoticeLink, listUsedKeys } from './keyStatusStore';
import type { LeftKind, LeftUnderKey, UsedKey } from './keyStatusStore';

export interface KeyStatus extends UsedKey {
  /** Whether this process uses the key, accepts it, or lacks it. */
  state: 'current' | 'accepted' | 'missing';
  left: Partial<Record<LeftKind, number>>;
  /** When the last thing that blocks the removal ends by itself; null if nothing does. */
  blocksUntil: Date | null;
  /**
   * Whether the key can be removed without signing anybody out, and without losing anything that
   * cannot be created again.
   */
  canGo: boolean;
}

const KINDS: Readonly<Record<string, readonly LeftKind[]>> = {
  TOKEN_HASH_KEY: ['refreshTokens', 'sessions', 'programKeys', 'recoveryCodes', 'knownDevices'],
  ENCRYPTION_KEY: ['totpSecrets', 'ssoSecrets', 'mails'],
};
/**
 * Without these, nobody is signed out. A session also has refresh tokens, which block the removal
 * while it lives.
 */
const NEVER_BLOCK: readonly LeftKind[] = ['sessions', 'recoveryCodes', 'knownDevices'];

/**
 * In a rotation, nodes go on using the old key until each of them has the new one.
 */
const ROLLOUT_MS = HOUR_MS;
/** How long an access token is accepted at most. */
const ACCESS_TOKEN_MS = (LONGEST_ACCESS_TOKEN_SEC + LEEWAY_SEC) * SECOND_MS;

const later = (one: Date | null, other: Date | null) =>
  one === null || (other !== null && other > one) ? other : one;

/**
 * A row that does not name its key is older than that column, so the first key of the setting made
 * it.
 */
const isOf = (left: LeftUnderKey, keyId: string, first: boolean) =>
  left.keyId === keyId || (first && left.keyId === null);

/**
 * Returns when values of a key end that are stored nowhere or do not name their key. Only the time
 * decides here.
 */
async function findTimedEnd(client: PoolClient, key: UsedKey, next: UsedKey): Promise<Date | null> {
  const usedUntil = new Date(next.firstUsedAt.getTime() + ROLLOUT_MS);
  if (key.setting === 'TOKEN_HASH_KEY') return lastNoticeLink(client, usedUntil, LINK_DAYS);
  if (key.setting !== 'JWT_SIGNING_KEY') return null;
  const end = new Date(next.firstUsedAt.getTime() + ACCESS_TOKEN_MS);
  return end.getTime() > Date.now() ? end : null;
}

async function readStatus(client: PoolClient, keys: KeyRing): Promise<KeyStatus[]> {
  const used = await listUsedKeys(client);
  const countsOf = new Map<LeftKind, LeftUnderKey[]>();
  for (const kind of Object.values(KINDS).flat()) {
    countsOf.set(kind, await countLeft(client, kind));
  }
  const statuses: KeyStatus[] = [];
  for (const key of used) {
    const siblings = used.filter(({ setting }) => setting === key.setting);
    const next = siblings[siblings.indexOf(key) + 1];
    const own = keys.checked.find(({ setting }) => setting === key.setting);
    const known = own?.knownIds.includes(key.keyId) === true ? 'accepted' : 'missing';
    const state = own?.keyId === key.keyId ? 'current' : known;
    const left: KeyStatus['left'] = {};
    let blocksUntil = next ? await findTimedEnd(client, key, next) : null;
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
    // A log that has not grown since the rotation is still signed with the former key.
    const canGo = state !== 'current' && !blocked && key.setting !== 'EVIDENCE_SIGNING_KEY';
    statuses.push({ ...key, state, left, blocksUntil, canGo });
  }
  return statuses;
}

/**
 * Counts the values that remain under each key of this database, and decides which keys can be
 * removed.
 */
export async function readKeyStatus(deps: { pool: Pool; keys: KeyRing }): Promise<KeyStatus[]> {
  return clientAcrossTenants(deps.pool, 'keys', (client) => readStatus(client, deps.keys));
}

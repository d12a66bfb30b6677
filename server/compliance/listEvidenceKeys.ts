import { nameKey, originOf, readKeptKeys, toVkey } from '../audit';
import type { Principal } from '../context';
import type { ComplianceDeps } from './deps';
import { readEvidenceKey } from '../keyRing';
import type { EvidenceKey } from '../keyRing';

/** `current` signs today; `retired` is trusted because the settings name it; `kept` is only in the database. */
export type KeyState = 'current' | 'retired' | 'kept';

export interface ShownKey {
  keyId: string;
  /**
   * The form for programs that verify notes (C2SP signed-note). It differs for each log, because the log's name is
   * part of it.
   */
  vkey: string;
  pem: string;
  state: KeyState;
  /** Whether this server trusts the key's signatures. Anyone who can write to the database can add keys there. */
  trusted: boolean;
  /** According to the database; null for a key that has not signed on this database. */
  firstUsedAt: string | null;
}

/** Lists the public keys that the caller's checkpoints may be signed with, today's first. */
export async function listEvidenceKeys(
  { pool, keys }: Pick<ComplianceDeps, 'pool' | 'keys'>,
  { tenantId }: Principal,
): Promise<{ origin: string; keys: ShownKey[] }> {
  const origin = originOf(tenantId);
  const firstUse = new Map<string, string>();
  const found = new Map<string, { key: EvidenceKey; state: KeyState }>();
  for (const key of keys.evidence.believed) {
    const state = key.keyId === keys.evidence.keyId ? 'current' : 'retired';
    if (!found.has(key.keyId)) found.set(key.keyId, { key, state });
  }
  for (const { publicPem, firstUsedAt } of await readKeptKeys(pool)) {
    // Identified by the key itself, not by the id stored beside it. A text that is no key has signed nothing.
    const key = readEvidenceKey(publicPem);
    if (!key || firstUse.has(key.keyId)) continue;
    firstUse.set(key.keyId, firstUsedAt.toISOString());
    if (!found.has(key.keyId)) found.set(key.keyId, { key, state: 'kept' });
  }
  const shown = [...found.values()].map(({ key, state }) => ({
    keyId: key.keyId,
    vkey: toVkey(nameKey(origin, key.publicKey)),
    pem: key.publicPem,
    state,
    trusted: state !== 'kept',
    firstUsedAt: firstUse.get(key.keyId) ?? null,
  }));
  return { origin, keys: shown };
}

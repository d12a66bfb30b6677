import { batchLoads } from '../db/batchLoads';
import type { Kernel } from '../kernel';
import { kindOfKey } from '../keyText';
import type { ProgramKeyKind } from '../keyText';
import { createKeyUses } from './keyUses';
import type { KeyUse, KeyUses } from './keyUses';
import type { KeyTable, UsedSecret } from './keyUseStore';

/** The reason why a text that was a key is none any more. */
export type KeyEnd = 'revoked' | 'expired' | 'rotated';

interface FoundKey<State> {
  state: State;
  renew: KeyUse['renew'];
  /** Undefined while the text is accepted. */
  ended: KeyEnd | undefined;
}

/** During a flood of refused keys, a query looks up the keys of so many milliseconds. */
const GATHER_MS = 50;

export interface FindOptions {
  /**
   * Whether so many credentials from the same address were refused that its look-ups share a slow
   * line: one query at a time, of all keys that came in 50 ms. A valid key is found there as well.
   */
  slowly: boolean;
}

/** Finds keys by their text, at every request and without a cache. */
export interface KeyFinder<State> extends Pick<KeyUses, 'settle'> {
  /**
   * @returns the key, and whether this text of it has ended; undefined if it is malformed or unknown
   * @throws the driver's error if the database could not be asked
   */
  find(text: string, options: FindOptions): Promise<FoundKey<State> | undefined>;
  /** Notes that a key was accepted. The database is written at most once a minute for each key. */
  noteUse(found: FoundKey<State>, ip: string | null): void;
}

interface StoredSecrets {
  id: string;
  secretHash: Buffer;
  previousHash: Buffer | null;
  previousLive: boolean;
  live: boolean;
  revoked: boolean;
  usedLately: boolean;
}

function endOf({ live, revoked, previousLive }: StoredSecrets, secret: UsedSecret) {
  if (!live) return revoked ? 'revoked' : 'expired';
  return secret === 'previous' && !previousLive ? 'rotated' : undefined;
}

/**
 * Indexes keys by their secrets. Comparing the hashes as text tells an attacker nothing,
 * because they are keyed.
 */
function indexSecrets<State extends StoredSecrets>(states: readonly State[]) {
  const index = new Map<string, { state: State; secret: UsedSecret }>();
  for (const state of states) {
    const { secretHash, previousHash } = state;
    index.set(secretHash.toString('hex'), { state, secret: 'secret' });
    if (previousHash) index.set(previousHash.toString('hex'), { state, secret: 'previous' });
  }
  /** Finds the key with one of the hashes of a text, the one under the current key first. */
  return ([current, ...formerOnes]: readonly Buffer[]): FoundKey<State> | undefined => {
    if (!current) return undefined;
    for (const hash of [current, ...formerOnes]) {
      const match = index.get(hash.toString('hex'));
      if (!match) continue;
      const { state, secret } = match;
      const renew = hash === current ? undefined : { secret, former: hash, current };
      return { state, renew, ended: endOf(state, secret) };
    }
    return undefined;
  };
}

/**
 * Creates the finder of one kind of key. Concurrent look-ups share one query. The form and the
 * checksum are checked first, so a text that is no key costs no query.
 */
export function createKeyFinder<State extends StoredSecrets>(
  deps: Pick<Kernel, 'pool' | 'keys' | 'logger' | 'metrics'>,
  kind: ProgramKeyKind,
  table: KeyTable,
  read: (hashes: readonly Buffer[]) => Promise<State[]>,
): KeyFinder<State> {
  const uses = createKeyUses(deps, table);
  const loadAll = async (texts: string[]) => {
    const hashesOf = new Map(texts.map((text) => [text, deps.keys.hashAll('api-key', text)]));
    const match = indexSecrets(await read([...hashesOf.values()].flat()));
    const found = new Map<string, FoundKey<State>>();
    for (const [text, hashes] of hashesOf) {
      const key = match(hashes);
      if (key) found.set(text, key);
    }
    return found;
  };
  const load = batchLoads(loadAll);
  const loadSlowly = batchLoads(loadAll, { mostInFlight: 1, gatherMs: GATHER_MS });
  return {
    async find(text, { slowly }) {
      if (kindOfKey(text) !== kind) return undefined;
      return slowly ? loadSlowly(text) : load(text);
    },
    noteUse({ state, renew }, ip) {
      if (state.usedLately && !renew) return;
      uses.note({ id: state.id, ip, ...(renew ? { renew } : {}) });
    },
    settle: uses.settle,
  };
}

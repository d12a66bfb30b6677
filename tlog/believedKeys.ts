import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { findSigner, nameKey, parseVkey } from './signedNote';
import type { Note, NoteVerifier } from './signedNote';

/** Trusted keys: a plain key is trusted for every log, a vkey only for the log that it names. */
export interface GivenKeys {
  readonly everywhere: readonly KeyObject[];
  readonly named: readonly NoteVerifier[];
}

/** Joins several sets of keys into one. */
export const joinKeys = (keys: readonly GivenKeys[]): GivenKeys => ({
  everywhere: keys.flatMap(({ everywhere }) => everywhere),
  named: keys.flatMap(({ named }) => named),
});

/**
 * Reads public keys: PEMs, and vkeys of signed notes, one a line.
 * @returns undefined if there is none, or one is damaged
 */
export function parseKeys(text: string): GivenKeys | undefined {
  const pem = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;
  try {
    const everywhere = (text.match(pem) ?? []).map((one) => createPublicKey(one));
    const lines = text.replaceAll(pem, '').split('\n');
    const named = lines.filter((line) => line.trim() !== '').map((line) => parseVkey(line.trim()));
    const good = everywhere.every(({ asymmetricKeyType }) => asymmetricKeyType === 'ed25519');
    if (!good || everywhere.length + named.length === 0) return undefined;
    return { everywhere, named: named.map(presence) };
  } catch {
    return undefined;
  }
}

function presence(verifier: NoteVerifier | undefined): NoteVerifier {
  if (!verifier) throw new RangeError('a line is not a vkey');
  return verifier;
}

/** Judges signatures by the trusted keys. */
export interface Believers {
  /**
   * Returns the problem with the signatures of a note under this origin. Returns undefined if a trusted key signed it
   * and no signature in the name of a trusted key is invalid.
   */
  objectionTo(origin: string, note: Note): string | undefined;
  /** Returns whether any key is trusted for this origin: a vkey holds for one log only. */
  hasKeyOf(origin: string): boolean;
  /** Returns whether this key under this origin is a trusted key; the signature itself is not checked. */
  knows(origin: string, keyId: Buffer): boolean;
}

/** Naming a key takes a hash, so the named keys of this many logs are cached. */
const KEPT_NAMES = 1000;

/**
 * @param given the trusted keys
 * @param stored keys that only the database vouches for: never trusted, but named in the problem
 */
export function createBelievers(given: GivenKeys, stored: readonly KeyObject[] = []): Believers {
  const named = new Map<string, readonly NoteVerifier[]>();
  const verifiersOf = (origin: string): readonly NoteVerifier[] => {
    const known = named.get(origin);
    if (known) return known;
    if (named.size >= KEPT_NAMES) named.clear();
    const own = given.named.filter(({ name }) => name === origin);
    const all = [...given.everywhere.map((key) => nameKey(origin, key)), ...own];
    named.set(origin, all);
    return all;
  };
  return {
    hasKeyOf: (origin) => verifiersOf(origin).length > 0,
    knows: (origin, keyId) => verifiersOf(origin).some((one) => one.keyId.equals(keyId)),
    objectionTo(origin, note) {
      const believed = verifiersOf(origin);
      if (findSigner(note, believed)) return undefined;
      const isKnown = ({ name, keyId }: { name: string; keyId: Buffer }) =>
        believed.some((one) => one.name === name && one.keyId.equals(keyId));
      if (note.signatures.some(isKnown)) {
        return 'its signature is wrong: the key that it names did not sign this text';
      }
      const ids = note.signatures.map(({ name, keyId }) => `${name}+${keyId.toString('hex')}`);
      const kept = stored.find((key) => findSigner(note, [nameKey(origin, key)]));
      if (kept) {
        return `it is signed by ${ids.join(', ')}, a key that only the database vouches for: anyone who can write to the database can insert one. If you know the key, give it with --key or EVIDENCE_RETIRED_KEYS`;
      }
      return `it is signed by ${ids.join(', ')}, which is not a trusted key`;
    },
  };
}

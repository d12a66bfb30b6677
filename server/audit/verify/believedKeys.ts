import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { findSigner, nameKey, parseVkey } from '../log/signedNote';
import type { Note, NoteVerifier } from '../log/signedNote';

/** Keys whose signatures are believed: for every log, or, as a vkey names one, for one. */
export interface GivenKeys {
  readonly everywhere: readonly KeyObject[];
  readonly named: readonly NoteVerifier[];
}

/** All that was given, as one. */
export const joinKeys = (keys: readonly GivenKeys[]): GivenKeys => ({
  everywhere: keys.flatMap(({ everywhere }) => everywhere),
  named: keys.flatMap(({ named }) => named),
});

/** Reads public keys: PEMs, and vkeys of signed notes, one a line. @returns undefined where there is none, or one is damaged */
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
  if (!verifier) throw new RangeError('a line is no vkey');
  return verifier;
}

/** Whose signatures count. */
export interface Believers {
  /** What is wrong with the signatures of a note under this origin; undefined where one is believed and none of the believed is wrong. */
  objectionTo(origin: string, note: Note): string | undefined;
  /** Whether any key is believed for this origin: a vkey is of one log alone, and says nothing of others. */
  hasKeyOf(origin: string): boolean;
  /** Whether a signature that names this key under this origin is one of a believed key, right or wrong. */
  knows(origin: string, keyId: Buffer): boolean;
}

/** Naming a key hashes it: the names of this many logs are kept. */
const KEPT_NAMES = 1000;

/**
 * @param given believed
 * @param stored what only the database vouches for: never believed, but recognised
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
        return 'its signature is wrong: it was not signed like this by the key that it names';
      }
      const ids = note.signatures.map(({ name, keyId }) => `${name}+${keyId.toString('hex')}`);
      const kept = stored.find((key) => findSigner(note, [nameKey(origin, key)]));
      if (kept) {
        return `it is signed by ${ids.join(', ')}, a key that only the database vouches for: whoever can write there can put one in; where you know it, give it with --key or EVIDENCE_RETIRED_KEYS`;
      }
      return `it is signed by ${ids.join(', ')}, which nobody here believes`;
    },
  };
}

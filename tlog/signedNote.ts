import { createPublicKey, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** C2SP signed-note: the type byte of Ed25519 signatures. */
const ED25519 = Buffer.from([1]);
const SIGNATURE_BYTES = 64;
/** More signatures than the specification requires anyone to accept. */
const MOST_SIGNATURES = 100;
/** The bytes before the 32 bytes of an Ed25519 key in its SPKI form (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** A key whose signatures are trusted, with the name of its signer. */
export interface NoteVerifier {
  readonly name: string;
  /** Four bytes, derived from the name and the key. */
  readonly keyId: Buffer;
  readonly publicKey: KeyObject;
}

const rawKey = (publicKey: KeyObject): Buffer =>
  publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);

function toVerifier(name: string, raw: Buffer, publicKey: KeyObject): NoteVerifier {
  const named = Buffer.concat([Buffer.from(`${name}\n`), ED25519, raw]);
  return { name, keyId: hash('sha256', named, 'buffer').subarray(0, 4), publicKey };
}

/** Names a key. The same key under another name has another key id. */
export const nameKey = (name: string, publicKey: KeyObject): NoteVerifier =>
  toVerifier(name, rawKey(publicKey), publicKey);

/**
 * Returns the key in the form that verifiers of signed notes accept (C2SP signed-note): `<name>+<key id>+<type and
 * key>`.
 */
export const toVkey = ({ name, keyId, publicKey }: NoteVerifier): string =>
  `${name}+${keyId.toString('hex')}+${Buffer.concat([ED25519, rawKey(publicKey)]).toString('base64')}`;

/** Parses a key in the form that {@link toVkey} writes. @returns undefined if it is no Ed25519 key in that form */
export function parseVkey(vkey: string): NoteVerifier | undefined {
  const [, name = '', id = '', encoded = ''] =
    /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey) ?? [];
  const typed = Buffer.from(encoded, 'base64');
  if (typed.length !== 33 || !typed.subarray(0, 1).equals(ED25519)) return undefined;
  const raw = typed.subarray(1);
  const der = Buffer.concat([SPKI_HEAD, raw]);
  const verifier = toVerifier(
    name,
    raw,
    createPublicKey({ key: der, format: 'der', type: 'spki' }),
  );
  return verifier.keyId.toString('hex') === id ? verifier : undefined;
}

/**
 * Signs a text (C2SP signed-note).
 * @param text must end with a line break
 */
export function signNote(text: string, signer: NoteVerifier, key: KeyObject): string {
  const signature = sign(null, Buffer.from(text), key);
  const line = Buffer.concat([signer.keyId, signature]).toString('base64');
  return `${text}\n— ${signer.name} ${line}\n`;
}

interface NoteSignature {
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

export interface Note {
  /** The signed text, with its last line break. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** @returns undefined if the text does not have the form of a signed note */
export function parseNote(note: string): Note | undefined {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || /[\u0000-\u0009\u000b-\u001f]/.test(note)) return undefined;
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0 || lines.length > MOST_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name, encoded] = /^— ([^+\s]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    const bytes = Buffer.from(encoded ?? '', 'base64');
    if (name === undefined || bytes.length < 5) return undefined;
    signatures.push({ name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) });
  }
  return { text, signatures };
}

/**
 * Looks for a valid signature by a trusted key. Signatures by other keys are ignored, as the specification requires.
 * @returns the key; undefined if there is no such signature, or if any signature in the name of a trusted key is
 * invalid
 */
export function findSigner(
  { text, signatures }: Note,
  believed: readonly NoteVerifier[],
): NoteVerifier | undefined {
  let signer: NoteVerifier | undefined;
  for (const { name, keyId, signature } of signatures) {
    const known = believed.find((one) => one.name === name && one.keyId.equals(keyId));
    if (!known) continue;
    const good =
      signature.length === SIGNATURE_BYTES &&
      verify(null, Buffer.from(text), known.publicKey, signature);
    if (!good) return undefined;
    signer = known;
  }
  return signer;
}

import { createPublicKey, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** C2SP signed-note: the type byte of Ed25519 signatures. */
const ED25519 = Buffer.from([1]);
const SIGNATURE_BYTES = 64;
/** More signatures than the specification asks anybody to accept. */
const MOST_SIGNATURES = 100;
/** RFC 8410: what stands before the 32 bytes of an Ed25519 key in its SPKI form. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** Somebody whose signatures are believed. */
export interface NoteVerifier {
  readonly name: string;
  /** Four bytes. */
  readonly keyId: Buffer;
  readonly publicKey: KeyObject;
}

const rawKey = (publicKey: KeyObject): Buffer =>
  publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);

function toVerifier(name: string, raw: Buffer, publicKey: KeyObject): NoteVerifier {
  const named = Buffer.concat([Buffer.from(`${name}\n`), ED25519, raw]);
  return { name, keyId: hash('sha256', named, 'buffer').subarray(0, 4), publicKey };
}

/** Names a key: the same key is another one under another name. */
export const nameKey = (name: string, publicKey: KeyObject): NoteVerifier =>
  toVerifier(name, rawKey(publicKey), publicKey);

/** C2SP signed-note: `<name>+<key id>+<type and key>`, as programs that check notes take it. */
export const toVkey = ({ name, keyId, publicKey }: NoteVerifier): string =>
  `${name}+${keyId.toString('hex')}+${Buffer.concat([ED25519, rawKey(publicKey)]).toString('base64')}`;

/** @returns undefined for what is no key of Ed25519 in that form */
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
 * @param text ends with a line break
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
  /** What is signed, with its last line break. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** @returns undefined for what is not in the form of a signed note */
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
 * Looks for a good signature of somebody who is believed. Those of others are passed over, as the specification says.
 * @returns who; undefined where there is none, or where one of theirs is wrong
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

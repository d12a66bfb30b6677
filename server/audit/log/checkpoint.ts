import type { KeyObject } from 'node:crypto';
import { HASH_BYTES } from './merkleTree';
import { nameKey, parseNote, signNote } from './signedNote';
import type { Note } from './signedNote';
import type { TreeHead } from './treeProofs';

export interface Checkpoint extends TreeHead {
  readonly origin: string;
  readonly note: Note;
}

/** The first line of every checkpoint of a log, and the name of its key. */
export const originOf = (logId: string): string => `gatehouse/${logId}`;

/** @returns the log that an origin names; undefined where it is none of Gatehouse's */
export const logOf = (origin: string): string | undefined =>
  /^gatehouse\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(origin)?.[1];

/** Signs a tree's head (C2SP tlog-checkpoint), without extension lines: whoever witnesses logs could not check them. */
export function signCheckpoint(
  logId: string,
  { size, root }: TreeHead,
  keys: { publicKey: KeyObject; key: KeyObject },
): string {
  const origin = originOf(logId);
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  return signNote(text, nameKey(origin, keys.publicKey), keys.key);
}

/** Reads a checkpoint; whether it is signed by anybody is another question. @returns undefined for what is none */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const note = parseNote(text);
  if (!note) return undefined;
  const [origin, size, encoded, ...extensions] = note.text.split('\n');
  if (!origin || extensions.pop() !== '' || extensions.includes('')) return undefined;
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size ?? '') || !Number.isSafeInteger(Number(size)))
    return undefined;
  const root = Buffer.from(encoded ?? '', 'base64');
  if (root.length !== HASH_BYTES || root.toString('base64') !== encoded) return undefined;
  return { origin, size: Number(size), root, note };
}

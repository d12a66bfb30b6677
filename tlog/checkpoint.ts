import type { KeyObject } from 'node:crypto';
import { HASH_BYTES } from './merkleTree';
import { nameKey, parseNote, signNote } from './signedNote';
import type { Note } from './signedNote';
import type { TreeHead } from './treeProofs';

export interface Checkpoint extends TreeHead {
  readonly origin: string;
  readonly note: Note;
}

/** Returns the first line of every checkpoint of a log, which is also the name of the log's key. */
export const originOf = (logId: string): string => `gatehouse/${logId}`;

/** @returns the id of the log that an origin names; undefined if it is no origin of Gatehouse */
export const logOf = (origin: string): string | undefined =>
  /^gatehouse\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(origin)?.[1];

/** Signs a tree's head (C2SP tlog-checkpoint). It writes no extension lines, because witnesses could not check them. */
export function signCheckpoint(
  logId: string,
  { size, root }: TreeHead,
  keys: { publicKey: KeyObject; key: KeyObject },
): string {
  const origin = originOf(logId);
  const text = `${origin}\n${size}\n${root.toString('base64')}\n`;
  return signNote(text, nameKey(origin, keys.publicKey), keys.key);
}

/** Reads a checkpoint without checking its signatures. @returns undefined if the text is not a checkpoint */
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

import { parseCheckpoint } from './checkpoint';
import type { Checkpoint } from './checkpoint';

/** Longer than any line of a checkpoint. Without this limit, a file that is no text could fill the memory. */
const LONGEST_LINE = 65_536;

/** Returns the notice about checkpoints that were cut off and skipped. */
export const cutOffNotice = (count: number): string =>
  `${count} ${count === 1 ? 'checkpoint' : 'checkpoints'} in the given files: cut off by a crash or a full disk, and skipped.`;

/**
 * Splits a file of checkpoints into lines. A run of NULs is kept as a single one, because a power failure can leave
 * megabytes of them.
 * @param texts the file in pieces
 * @throws NoteFileError if a line is too long
 */
export async function* splitLines(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const text of texts) {
    const lines = (rest + text).replaceAll(/\0+/g, '\0').split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > LONGEST_LINE) throw new NoteFileError(1, 'or a later one is too long');
  }
  if (rest !== '') yield rest;
}

/** A checkpoint, and the line of its file on which it begins. */
export interface FiledCheckpoint {
  readonly line: number;
  readonly checkpoint: Checkpoint;
}

/** A file is not a file of checkpoints; `message` names the line. */
export class NoteFileError extends Error {
  constructor(line: number, problem: string) {
    super(`line ${line} ${problem}`);
    this.name = 'NoteFileError';
  }
}

/** The lines of a note under construction: its text, then, after an empty line, its signatures. */
interface Draft {
  line: number;
  text: string[];
  signatures: string[];
  signing: boolean;
}

const newDraft = (): Draft => ({ line: 0, text: [], signatures: [], signing: false });

/** @returns undefined if the draft is not a whole checkpoint */
function finish({ line, text, signatures }: Draft): FiledCheckpoint | undefined {
  const note = `${text.join('\n')}\n\n${signatures.join('\n')}\n`;
  const checkpoint = parseCheckpoint(note);
  const [only, ...more] = checkpoint?.note.signatures ?? [];
  const isShort = only !== undefined && only.signature.length < SIGNATURE_BYTES;
  return checkpoint && !(isShort && more.length === 0) ? { line, checkpoint } : undefined;
}

/** The length of an Ed25519 signature. */
const SIGNATURE_BYTES = 64;
const ORIGIN_START = 'gatehouse/';
/** The mark of a signature of which only some bytes were written. */
const CUT_MARK = /^(?:—|\uFFFD+)$/;

/**
 * Returns whether a draft is the beginning of a checkpoint of Gatehouse. The deliverer only ever appends, so a
 * checkpoint that a crash or a full disk cut off stays in the file, and the whole checkpoint follows it.
 */
function isCutOff({ text, signatures }: Draft): boolean {
  const [origin = '', size = '', root = '', ...more] = text;
  const isOrigin = ORIGIN_START.startsWith(origin) || /^gatehouse\/[0-9a-f-]{0,36}$/.test(origin);
  const isText =
    isOrigin && /^(?:0|[1-9][0-9]*)?$/.test(size) && /^[A-Za-z0-9+/]{0,43}=?$/.test(root);
  return isText && more.length === 0 && signatures.length <= 1;
}

const NULS = '\0';

/**
 * Puts each run of NULs on a line of its own. A power failure leaves NULs if the file had grown but its bytes were
 * not written yet.
 */
function splitAtNuls(line: string): string[] {
  return line.includes(NULS) ? line.split(/(\0)\0*/).filter((part) => part !== '') : [line];
}

/**
 * Reads one or more signed checkpoints, with or without empty lines between them. The text of a checkpoint has no
 * empty line and a signature begins with an em dash, so the end of each is unambiguous.
 * @param lines without their line breaks
 * @param onCutOff receives the line of each checkpoint that was cut off; such a checkpoint is skipped
 * @throws NoteFileError if the file holds anything else
 */
export async function* readNotes(
  lines: AsyncIterable<string> | Iterable<string>,
  onCutOff: (line: number) => void = () => undefined,
): AsyncGenerator<FiledCheckpoint> {
  let draft = newDraft();
  let number = 0;
  const end = (problem: string, at = draft.line): FiledCheckpoint | undefined => {
    const whole = draft.signatures.length > 0 ? finish(draft) : undefined;
    if (!whole && !isCutOff(draft)) throw new NoteFileError(at, problem);
    if (!whole) onCutOff(draft.line);
    draft = newDraft();
    return whole;
  };
  for await (const raw of lines) {
    number += 1;
    for (const line of splitAtNuls(
      (number === 1 ? raw.replace(/^\uFEFF/, '') : raw).replace(/\r$/, ''),
    )) {
      if (line === NULS) {
        const isOpen = draft.text.length > 0;
        const whole = isOpen ? end('is not the beginning of a checkpoint') : undefined;
        if (whole) yield whole;
        if (whole || !isOpen) onCutOff(number);
        continue;
      }
      if (draft.signing && line.startsWith('— ')) {
        draft.signatures.push(line);
        continue;
      }
      if (draft.signing) {
        const isSigned = draft.signatures.length > 0;
        const whole = isSigned
          ? end('is not the beginning of a checkpoint')
          : end('should be a signature', number);
        if (whole) yield whole;
        else if (CUT_MARK.test(line)) continue;
      }
      if (line !== '') {
        if (draft.text.length === 0) draft.line = number;
        draft.text.push(line);
      } else if (draft.text.length > 0) draft.signing = true;
    }
  }
  if (draft.text.length === 0) return;
  const isSigned = draft.signatures.length > 0;
  const whole = end(
    isSigned
      ? 'is not the beginning of a checkpoint'
      : 'is the beginning of a checkpoint that is cut off',
  );
  if (whole) yield whole;
}

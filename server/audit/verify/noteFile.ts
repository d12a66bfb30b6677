import { parseCheckpoint } from '../log/checkpoint';
import type { Checkpoint } from '../log/checkpoint';

/** A checkpoint, and the line of its file on which it begins. */
export interface FiledCheckpoint {
  readonly line: number;
  readonly checkpoint: Checkpoint;
}

/** A file of checkpoints is not one: `message` names the line. */
export class NoteFileError extends Error {
  constructor(line: number, problem: string) {
    super(`line ${line} ${problem}`);
    this.name = 'NoteFileError';
  }
}

/** What a note's lines are gathered in: its text, then, after an empty line, its signatures. */
interface Draft {
  line: number;
  text: string[];
  signatures: string[];
  signing: boolean;
}

const newDraft = (): Draft => ({ line: 0, text: [], signatures: [], signing: false });

function finish({ line, text, signatures }: Draft): FiledCheckpoint {
  const note = `${text.join('\n')}\n\n${signatures.join('\n')}\n`;
  const checkpoint = parseCheckpoint(note);
  if (!checkpoint) throw new NoteFileError(line, 'begins what is not a checkpoint');
  return { line, checkpoint };
}

/**
 * Reads one signed checkpoint, or many one after the other, with or without empty lines between them. The text of a checkpoint
 * has no empty line, and a signature begins with an em dash: so it is clear where each ends.
 * @param lines without their line breaks
 * @throws NoteFileError where anything else is in the file, or a checkpoint is cut off
 */
export async function* readNotes(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<FiledCheckpoint> {
  let draft = newDraft();
  let number = 0;
  for await (const raw of lines) {
    number += 1;
    const line = (number === 1 ? raw.replace(/^\uFEFF/, '') : raw).replace(/\r$/, '');
    if (draft.signing && line.startsWith('— ')) {
      draft.signatures.push(line);
      continue;
    }
    if (draft.signing && draft.signatures.length === 0) {
      throw new NoteFileError(number, 'should be a signature');
    }
    if (draft.signing) {
      yield finish(draft);
      draft = newDraft();
    }
    if (line !== '') {
      if (draft.text.length === 0) draft.line = number;
      draft.text.push(line);
    } else if (draft.text.length > 0) draft.signing = true;
  }
  if (draft.signatures.length > 0) yield finish(draft);
  else if (draft.text.length > 0) throw new NoteFileError(draft.line, 'begins what is cut off');
}

import { parseCheckpoint } from '../server/audit/log/checkpoint';
import type { Checkpoint } from '../server/audit/log/checkpoint';
import { EMPTY_ROOT } from '../server/audit/log/merkleTree';
import type { Believers } from '../server/audit/verify/believedKeys';
import { NoteFileError, readNotes } from '../server/audit/verify/noteFile';
import type { BundleSource } from './bundleSource';
import type { Report } from './findings';
import { isProven } from './heads';
import type { ProvenHead } from './heads';
import type { LogStretch } from './manifest';
import { decodeText } from './members';
import { ZipError } from './zipDirectory';
import { readWhole } from './wholeFile';
import { readZipFile, ZipDamage } from './zipFile';

/** What was given to compare with cannot be understood: nothing is said of the bundle then. */
export class CannotVerifyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotVerifyError';
  }
}

/** A head that was handed out earlier, and where it was found. */
interface GivenHead {
  readonly where: string;
  readonly size: number;
  readonly root: Buffer;
}

/** What one file gave: the heads of this log, and how many are of others. */
export interface GivenFile {
  readonly name: string;
  readonly heads: readonly GivenHead[];
  readonly others: readonly string[];
  /** Whether a head of this log in it was not signed by a key that is believed. */
  readonly isDoubtful: boolean;
}

/** Longer than any line of a checkpoint. */
const LONGEST_LINE = 65_536;
const MOST_CHECKPOINT_BYTES = 1_048_576;

async function* readLines(source: BundleSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const chunk of source.stream(0, source.size)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > LONGEST_LINE) throw new NoteFileError(1, 'or another is too long');
  }
  if (rest !== '') yield rest;
}

/** The checkpoint of an earlier bundle: it is signed, and so needs nothing else of that bundle. */
async function readFromBundle(source: BundleSource): Promise<Checkpoint> {
  const files = await readZipFile(source);
  const file = files.find(({ entry }) => entry.name === 'checkpoint.txt');
  const bytes = file && (await readWhole(source, file, MOST_CHECKPOINT_BYTES));
  const checkpoint = bytes && parseCheckpoint(decodeText(bytes) ?? '');
  if (!checkpoint) throw new NoteFileError(1, 'or all of it is no bundle with a checkpoint');
  return checkpoint;
}

async function* readHeads(
  source: BundleSource,
): AsyncGenerator<{ where: string; checkpoint: Checkpoint }> {
  const start = await source.read(0, Math.min(4, source.size));
  if (start.toString('latin1').startsWith('PK')) {
    yield { where: source.name, checkpoint: await readFromBundle(source) };
    return;
  }
  for await (const { line, checkpoint } of readNotes(readLines(source))) {
    yield { where: `${source.name}:${line}`, checkpoint };
  }
}

/**
 * Reads what was handed out earlier: checkpoints as text, or an earlier bundle.
 * @throws CannotVerifyError where it is neither
 */
export async function readEarlier(
  source: BundleSource,
  origin: string,
  believers: Believers,
  report: Report,
): Promise<GivenFile> {
  const heads: GivenHead[] = [];
  const others = new Set<string>();
  let isDoubtful = false;
  try {
    for await (const { where, checkpoint } of readHeads(source)) {
      if (checkpoint.origin !== origin) {
        others.add(checkpoint.origin);
        continue;
      }
      const { size, root, note } = checkpoint;
      const objection = believers.objectionTo(origin, note);
      if (objection === undefined) heads.push({ where, size, root: Buffer.from(root) });
      else {
        isDoubtful = true;
        const message = `the checkpoint of ${where} (${size} events): ${objection}`;
        report({ kind: 'earlier_signature', message });
      }
    }
  } catch (error) {
    const known = [NoteFileError, ZipError, ZipDamage].some((kind) => error instanceof kind);
    if (!known || !(error instanceof Error)) throw error;
    throw new CannotVerifyError(
      `${source.name} holds neither checkpoints nor a bundle to compare with: ${error.message}.`,
    );
  }
  if (heads.length === 0 && others.size === 0 && !isDoubtful) {
    throw new CannotVerifyError(`${source.name} holds no checkpoint.`);
  }
  return { name: source.name, heads, others: [...others], isDoubtful };
}

interface Comparable {
  readonly log: LogStretch;
  readonly growth: readonly ProvenHead[];
  readonly rootAt: (size: number) => Buffer | undefined;
  readonly report: Report;
}

/** @returns what the root at a size is by this bundle; undefined where it does not say */
function rootBy({ log, growth, rootAt }: Comparable, size: number): Buffer | undefined {
  if (size === 0) return EMPTY_ROOT;
  if (size === log.size) return log.root;
  const known = rootAt(size);
  if (known) return known;
  return growth.find((head) => head.checkpoint.size === size && isProven(head, log))?.checkpoint
    .root;
}

function tellOthers({ name, others, isDoubtful }: GivenFile, { log, report }: Comparable): void {
  if (isDoubtful) return;
  const message = `${name} holds checkpoints of ${others.slice(0, 3).join(', ')}, and none of ${log.origin}`;
  report({ kind: 'earlier_other_log', message });
}

/**
 * Compares one file of heads with the bundle.
 * @returns how many fit, and how many the bundle says nothing of
 */
export function compareHeads(
  given: GivenFile,
  comparable: Comparable,
): { same: number; passed: number } {
  const { log, report } = comparable;
  if (given.heads.length === 0) tellOthers(given, comparable);
  const passed: GivenHead[] = [];
  let same = 0;
  for (const head of given.heads) {
    const { where, size } = head;
    const root = size > log.size ? undefined : rootBy(comparable, size);
    if (size > log.size) {
      const message = `the checkpoint of ${where} has ${size} events, and this bundle's log only ${log.size}: an older bundle was passed as a new one, or the log was rolled back`;
      report({ kind: 'earlier_ahead', leaf: log.size, message });
    } else if (!root) passed.push(head);
    else if (root.equals(head.root)) same += 1;
    else {
      const message = `the checkpoint of ${where} has another root for the same ${size} events: history before leaf ${size} was rewritten since, or the log has two heads`;
      report({ kind: 'earlier_root', leaf: size, message });
    }
  }
  const isCompared = passed.length < given.heads.length;
  const [first] = passed;
  if (!isCompared && first) {
    const message = `the checkpoint of ${first.where} has ${first.size} events: they lie before the leaves of this bundle (from ${log.first}), and it holds no proof from there. Ask for a bundle whose range begins by then, or for the proof of consistency from ${first.size} to ${log.size}`;
    report({ kind: 'earlier_unproven', message });
  }
  return { same, passed: isCompared ? passed.length : 0 };
}

import { parseCheckpoint } from '../tlog/checkpoint';
import type { Checkpoint } from '../tlog/checkpoint';
import { EMPTY_ROOT } from '../tlog/merkleTree';
import type { Believers } from '../tlog/believedKeys';
import { NoteFileError, readNotes, splitLines } from '../tlog/noteFile';
import type { BundleSource } from './bundleSource';
import { CannotVerifyError } from './cannotVerify';
import { isFolder, openContainer } from './container';
import type { Bundle } from './container';
import type { Report } from './bundleFindings';
import { relate } from './growthProofs';
import type { GrowthProof } from './growthProofs';
import { isProven } from './heads';
import type { ProvenHead } from './heads';
import type { LogStretch } from './readManifest';
import { decodeText } from './members';
import type { OpenQuestion } from './openQuestions';
import { readOtherStretch } from './otherStretch';
import type { OtherStretch } from './otherStretch';
import { ZipError } from './zipDirectory';
import { readWhole } from './wholeFile';
import { ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/** A head that was handed out earlier, and the file and line that hold it. */
interface GivenHead {
  readonly where: string;
  readonly size: number;
  readonly root: Buffer;
}

/** The content of one given file: the heads of this log, and what else was in it. */
export interface GivenFile {
  readonly name: string;
  readonly heads: readonly GivenHead[];
  /** The origins of other logs whose heads the file holds. */
  readonly others: readonly string[];
  /**
   * Heads of this log that no believed key has signed: their number, and the problem with the first
   * one.
   */
  readonly doubtful: { count: number; first: string };
  /** The number of checkpoints that a crash or a full disk cut off. */
  readonly cutOff: number;
  /**
   * For a bundle of this log: its stretch, or the reason why that cannot be determined. It is
   * undefined for a file of checkpoints.
   */
  readonly stretch: OtherStretch | string | undefined;
}

const MOST_CHECKPOINT_BYTES = 1_048_576;

async function* readTexts(source: BundleSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for await (const chunk of source.stream(0, source.size)) {
    yield decoder.decode(chunk, { stream: true });
  }
}

/**
 * Reads the checkpoint of an earlier bundle. The checkpoint is signed, so nothing else of that
 * bundle is needed.
 */
async function readFromBundle(files: readonly PackedFile[]): Promise<Checkpoint> {
  const file = files.find(({ entry }) => entry.name === 'checkpoint.txt');
  const bytes = file && (await readWhole(file, MOST_CHECKPOINT_BYTES));
  const checkpoint = bytes && parseCheckpoint(decodeText(bytes) ?? '');
  if (!checkpoint) throw new NoteFileError(1, 'or the file is not a bundle with a checkpoint');
  return checkpoint;
}

/** @returns the files of a bundle, or undefined for a file of checkpoints */
async function openIfBundle(source: Bundle): Promise<readonly PackedFile[] | undefined> {
  const isBundle =
    isFolder(source) ||
    (await source.read(0, Math.min(4, source.size))).toString('latin1').startsWith('PK');
  return isBundle ? (await openContainer(source)).files : undefined;
}

async function* readHeads(
  source: Bundle,
  files: readonly PackedFile[] | undefined,
  onCutOff: () => void,
): AsyncGenerator<{ where: string; checkpoint: Checkpoint }> {
  if (files) yield { where: source.name, checkpoint: await readFromBundle(files) };
  if (files || isFolder(source)) return;
  for await (const { line, checkpoint } of readNotes(splitLines(readTexts(source)), onCutOff)) {
    yield { where: `${source.name}:${line}`, checkpoint };
  }
}

/**
 * Reads what was handed out earlier: checkpoints as text, or an earlier bundle.
 * @throws CannotVerifyError if it is neither
 */
export async function readEarlier(
  source: Bundle,
  origin: string,
  believers: Believers,
): Promise<GivenFile> {
  const heads: GivenHead[] = [];
  const others = new Set<string>();
  const doubtful = { count: 0, first: '' };
  let stretch: GivenFile['stretch'];
  let cutOff = 0;
  try {
    const files = await openIfBundle(source);
    for await (const { where, checkpoint } of readHeads(source, files, () => void (cutOff += 1))) {
      const { size, root, note } = checkpoint;
      if (checkpoint.origin !== origin) {
        others.add(checkpoint.origin);
        continue;
      }
      const objection = believers.objectionTo(origin, note);
      if (objection === undefined) heads.push({ where, size, root: Buffer.from(root) });
      else {
        doubtful.count += 1;
        doubtful.first ||= `the checkpoint in ${where} (${size} events): ${objection}`;
      }
    }
    if (files && heads.length > 0) {
      stretch = await readOtherStretch(source.name, files, origin, believers);
    }
  } catch (error) {
    const known = [NoteFileError, ZipError, ZipDamage].some((kind) => error instanceof kind);
    if (!known || !(error instanceof Error)) throw error;
    throw new CannotVerifyError(
      `${source.name} contains neither checkpoints nor a bundle to compare with: ${error.message}.`,
    );
  }
  if (heads.length === 0 && others.size === 0 && doubtful.count === 0) {
    throw new CannotVerifyError(`${source.name} contains no checkpoint.`);
  }
  return { name: source.name, heads, others: [...others], doubtful, cutOff, stretch };
}

export interface Comparable {
  readonly log: LogStretch;
  readonly growth: readonly ProvenHead[];
  readonly proofs: readonly GrowthProof[];
  readonly rootAt: (size: number) => Buffer | undefined;
  readonly report: Report;
}

/** @returns the root that this bundle proves for a size, or undefined if it proves none */
function rootBy({ log, growth, rootAt }: Comparable, size: number): Buffer | undefined {
  if (size > log.size) return undefined;
  if (size === 0) return EMPTY_ROOT;
  if (size === log.size) return log.root;
  const known = rootAt(size);
  if (known) return known;
  return growth.find((head) => head.checkpoint.size === size && isProven(head, log))?.checkpoint
    .root;
}

const proofFrom = (from: number, to: number): string =>
  `the proof of consistency from ${from} to ${to}, which is the response of GET /api/compliance/consistency?from=${from}&to=${to}, and give it too (--consistency)`;

function askWhoseHeads({ name, others, doubtful }: GivenFile, origin: string): OpenQuestion {
  if (doubtful.count > 0) {
    const ask = 'the key that signed it, and give that with --key, or ask for another checkpoint';
    return { kind: 'earlier_signature', message: doubtful.first, ask };
  }
  const message = `${name} contains checkpoints of ${others.slice(0, 3).join(', ')}, but none of ${origin}`;
  return { kind: 'earlier_other_log', message, ask: `a checkpoint of ${origin}` };
}

/**
 * Asks for a proof that would relate one of these heads to the bundle. It picks the newest head
 * that is not newer than the bundle, or else the oldest one.
 */
function askForProof(passed: readonly GivenHead[], { log, proofs }: Comparable): OpenQuestion {
  const bySize = [...passed].sort((one, other) => one.size - other.size);
  const head = bySize.filter(({ size }) => size <= log.size).at(-1) ?? bySize[0];
  const { where = '', size = 0 } = head ?? {};
  const isTried = proofs.some(({ from, to }) => from.size === size || to.size === size);
  const tried = isTried ? ', and the given proof does not lead from one to the other' : '';
  if (size > log.size) {
    const message = `the checkpoint in ${where} has ${size} events, but this bundle's log only ${log.size}: it is newer than the bundle, or an older bundle was presented as a new one, or the log was rolled back${tried}`;
    const ask = `a newer bundle, or for ${proofFrom(log.size, size)}`;
    return { kind: 'earlier_ahead', message, ask };
  }
  const message = `the checkpoint in ${where} has ${size} events: its end is not among the leaves of this bundle (${log.first} to ${log.last}), and the bundle has no proof from there${tried}`;
  return { kind: 'earlier_unproven', message, ask: proofFrom(size, log.size) };
}

export interface Comparison {
  readonly same: number;
  /**
   * The number of heads that could not be compared although another head of the same file could;
   * `newer` counts those of them that are newer than the bundle.
   */
  readonly passed: number;
  readonly newer: number;
  readonly question: OpenQuestion | undefined;
}

/** Compares one file of heads with the bundle. It is enough if one head can be compared. */
export function compareHeads(given: GivenFile, comparable: Comparable): Comparison {
  const { log, proofs, report } = comparable;
  const passed: GivenHead[] = [];
  let same = 0;
  let isCompared = false;
  for (const head of given.heads) {
    const { where, size } = head;
    const root = rootBy(comparable, size);
    const relation = root
      ? root.equals(head.root)
        ? 'same'
        : 'other'
      : relate(head, proofs, (at) => rootBy(comparable, at));
    isCompared ||= relation !== undefined;
    if (relation === undefined) passed.push(head);
    else if (relation === 'same') same += 1;
    else {
      const leaf = Math.min(size, log.size);
      const message = `the checkpoint in ${where} belongs to another history of the same log (${size} events): events before leaf ${leaf} were rewritten since, or the log has two heads`;
      report({ kind: 'earlier_root', leaf, message });
    }
  }
  if (isCompared) {
    const newer = passed.filter(({ size }) => size > log.size).length;
    return { same, passed: passed.length + given.doubtful.count, newer, question: undefined };
  }
  const question =
    passed.length === 0 ? askWhoseHeads(given, log.origin) : askForProof(passed, comparable);
  return { same, passed: 0, newer: 0, question };
}

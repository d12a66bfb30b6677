import { parseNote } from '../tlog/signedNote';
import { TOLERANCE_MS } from '../tlog/batchTimes';
import type { Believers } from '../tlog/believedKeys';
import type { EventRow } from './eventRow';
import type { Report } from './bundleFindings';
import { plural } from './inspection';
import { momentsOf, NewerFormatError, readManifest } from './readManifest';
import type { DayRange, Manifest } from './readManifest';
import { decodeText, FormError } from './members';
import { shift } from './stretchEnds';
import { MOST_MANIFEST_BYTES, readWhole } from './wholeFile';
import { ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/**
 * The statements of an earlier or later bundle of the same log. A believed key has signed its
 * manifest.
 */
export interface OtherStretch {
  /** The name of its file. */
  readonly name: string;
  readonly range: DayRange;
  /** The first moment of its range, and the first moment after it. */
  readonly start: string;
  readonly end: string;
  readonly asOf: string;
  readonly log: Pick<Manifest['log'], 'size' | 'first' | 'last'>;
  /**
   * Whether it has every event of its range that was in the log when it was made. Its format
   * decides that.
   */
  readonly isWhole: boolean;
}

async function readFileOf(files: readonly PackedFile[], name: string): Promise<Buffer> {
  const file = files.find(({ entry }) => entry.name === name);
  if (!file) throw new FormError(`it has no ${name}`);
  return readWhole(file, MOST_MANIFEST_BYTES);
}

/**
 * @throws FormError if something is missing, wrong or not signed by a believed key;
 *   NewerFormatError or ZipDamage
 */
async function readSigned(
  files: readonly PackedFile[],
  origin: string,
  believers: Believers,
): Promise<Manifest> {
  const text = await readFileOf(files, 'manifest.json');
  const note = parseNote(decodeText(await readFileOf(files, 'manifest.sig')) ?? '');
  const manifest = readManifest(text);
  if (manifest.log.origin !== origin) throw new FormError(`it belongs to ${manifest.log.origin}`);
  if (note?.text !== `${text.toString()}\n`) throw new FormError('its manifest is not signed');
  const objection = believers.objectionTo(origin, note);
  if (objection !== undefined) throw new FormError(`its manifest: ${objection}`);
  return manifest;
}

/**
 * Reads the stretch of a bundle that was given to compare with.
 * @returns the stretch, or as the end of a sentence why it cannot be determined
 */
export async function readOtherStretch(
  name: string,
  files: readonly PackedFile[],
  origin: string,
  believers: Believers,
): Promise<OtherStretch | string> {
  try {
    const { range, asOf, log, bundleFormat } = await readSigned(files, origin, believers);
    const { size, first, last } = log;
    const isWhole = bundleFormat.endsBehindBatch;
    return { ...{ name, range, asOf, isWhole, ...momentsOf(range) }, log: { size, first, last } };
  } catch (error) {
    const known = [FormError, NewerFormatError, ZipDamage].some((kind) => error instanceof kind);
    if (!known || !(error instanceof Error)) throw error;
    return error.message;
  }
}

type Placed = Pick<OtherStretch, 'start' | 'end' | 'asOf' | 'log'>;

/**
 * How the leaves of two bundles of one log lie to each other. `apart` means that their ranges do
 * not touch, so leaves may be missing between them.
 */
type Meeting =
  | { readonly kind: 'meet' | 'apart' }
  /**
   * The leaves that are in neither bundle. `early` means that the earlier bundle was made before
   * the later range began.
   */
  | { readonly kind: 'gap' | 'early'; readonly from: number; readonly to: number };

/**
 * Compares the leaves of two bundles. If their ranges touch, the later bundle must begin no later
 * than the leaf after the last one of the earlier bundle, because a server ends a bundle after its
 * range and begins it before its range. Only a bundle that was made before the later range began
 * may end sooner.
 */
function meetingOf(one: Placed, two: Placed): Meeting {
  const [sooner, later] = one.start <= two.start ? [one, two] : [two, one];
  if (later.start > sooner.end) return { kind: 'apart' };
  const [from, to] = [sooner.log.last + 1, later.log.first - 1];
  if (to < from) return { kind: 'meet' };
  const isEarly = sooner.asOf < shift(later.start, TOLERANCE_MS);
  return { kind: isEarly ? 'early' : 'gap', from, to };
}

/** The given bundles of the same log, and what this bundle shows about their ranges. */
export class OtherStretches {
  private readonly others: readonly OtherStretch[];
  /** For each bundle, how many events of its range came after it was made. */
  private readonly came = new Map<OtherStretch, number>();

  /**
   * @param given for each file its stretch, the reason why there is none, or undefined for a file
   *   of checkpoints
   */
  constructor(
    private readonly given: readonly {
      readonly name: string;
      readonly stretch: OtherStretch | string | undefined;
    }[],
    private readonly report: Report,
  ) {
    this.others = given.flatMap(({ stretch }) => (typeof stretch === 'object' ? [stretch] : []));
  }

  /**
   * Call it for each event of this bundle that matches its leaf. An event that occurred in the
   * range of another bundle, and was in the log when that bundle was made, must be among the leaves
   * of that bundle. If it is not, somebody cut that bundle short.
   */
  visit({ occurredAt, leaf, number: row, id: event }: EventRow, file: string): void {
    for (const other of this.others) {
      const { name, start, end, isWhole } = other;
      if (occurredAt < start || occurredAt >= end) continue;
      const { size, first, last } = other.log;
      if (leaf >= size) this.came.set(other, (this.came.get(other) ?? 0) + 1);
      else if ((leaf < first || leaf > last) && isWhole) {
        const message = `it occurred at ${occurredAt}, in the range of ${name}. That bundle was made from a log of ${size} events, but has only the leaves ${first} to ${last}: ${name} leaves it out`;
        this.report({ kind: 'bundle_lacks', file, row, leaf, event, message });
      }
    }
  }

  /**
   * Compares the leaves of each given bundle with those of this one.
   * @returns how many bundles leave no gap, and notices about the others
   */
  compare(manifest: Manifest): { met: number; notices: string[] } {
    const own = { ...momentsOf(manifest.range), asOf: manifest.asOf, log: manifest.log };
    const notices = this.given.flatMap(({ name, stretch }) =>
      typeof stretch === 'string'
        ? [`It is unknown whether leaves are missing between ${name} and this bundle: ${stretch}.`]
        : [],
    );
    let met = 0;
    for (const other of this.others) {
      const meeting = meetingOf(own, other);
      if (meeting.kind === 'meet') met += 1;
      else if (meeting.kind === 'gap') this.reportGap(other, meeting.from, meeting.to);
      else notices.push(noticeOf(other, meeting));
      const came = this.came.get(other) ?? 0;
      if (came > 0) {
        notices.push(
          `${plural(came, 'event')} of this bundle occurred in the range of ${other.name}, but came after that bundle was made: a new export of that range has them.`,
        );
      }
    }
    return { met, notices };
  }

  private reportGap({ name, range }: OtherStretch, from: number, to: number): void {
    const message = `leaves ${from} to ${to} are neither in this bundle nor in ${name}, although its range, ${range.from} to ${range.to}, touches the range of this bundle: one of the two was cut off, and events of its range may be missing`;
    this.report({ kind: 'bundle_gap', leaf: from, message });
  }
}

function noticeOf({ name, range }: OtherStretch, meeting: Meeting): string {
  const days = `${range.from} to ${range.to}`;
  if (!('from' in meeting)) {
    return `The range of ${name}, ${days}, does not touch the range of this bundle: only the bundles of the days between show whether leaves are missing there.`;
  }
  return `Leaves ${meeting.from} to ${meeting.to} are neither in this bundle nor in ${name} (${days}): the earlier of the two was made before its range had ended. Ask for a new export of that range.`;
}

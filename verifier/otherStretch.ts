import { parseNote } from '../server/audit/log/signedNote';
import { TOLERANCE_MS } from '../server/audit/verify/batchTimes';
import type { Believers } from '../server/audit/verify/believedKeys';
import type { EventRow } from './eventRow';
import type { Report } from './findings';
import { plural } from './inspection';
import { momentsOf, NewerFormatError, readManifest } from './manifest';
import type { DayRange, Manifest } from './manifest';
import { decodeText, FormError } from './members';
import { shift } from './stretchEnds';
import { MOST_MANIFEST_BYTES, readWhole } from './wholeFile';
import { ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

/** What an earlier or later bundle of the same log says of itself; a believed key has signed it. */
export interface OtherStretch {
  /** The name of its file. */
  readonly name: string;
  readonly range: DayRange;
  /** Its range from the first moment to the one behind the last. */
  readonly start: string;
  readonly end: string;
  readonly asOf: string;
  readonly log: Pick<Manifest['log'], 'size' | 'first' | 'last'>;
  /** Whether it has every event of its range that was in the log when it was made: servers of its format saw to that. */
  readonly isWhole: boolean;
}

async function readFileOf(files: readonly PackedFile[], name: string): Promise<Buffer> {
  const file = files.find(({ entry }) => entry.name === name);
  if (!file) throw new FormError(`it has no ${name}`);
  return readWhole(file, MOST_MANIFEST_BYTES);
}

/** @throws FormError, NewerFormatError or ZipDamage */
async function readSigned(
  files: readonly PackedFile[],
  origin: string,
  believers: Believers,
): Promise<Manifest> {
  const text = await readFileOf(files, 'manifest.json');
  const note = parseNote(decodeText(await readFileOf(files, 'manifest.sig')) ?? '');
  const manifest = readManifest(text);
  if (manifest.log.origin !== origin) throw new FormError(`it is of ${manifest.log.origin}`);
  if (note?.text !== `${text.toString()}\n`) throw new FormError('its manifest is not signed');
  const objection = believers.objectionTo(origin, note);
  if (objection !== undefined) throw new FormError(`its manifest: ${objection}`);
  return manifest;
}

/**
 * Reads the stretch of a bundle that was given to compare with.
 * @returns the stretch, or why it cannot be told, as the end of a sentence
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

/** How two bundles of one log lie to each other. `apart` is if their ranges do not touch, so that nothing has to lie between. */
type Meeting =
  | { readonly kind: 'meet' | 'apart' }
  /** The leaves that are in neither; `early` is if the sooner one was made before the range of the later one began. */
  | { readonly kind: 'gap' | 'early'; readonly from: number; readonly to: number };

/**
 * Compares where two bundles lie. If their ranges touch, the later one must begin at the latest with the leaf behind the last of the
 * sooner one: a server ends a bundle behind its range, and begins one before it. Only a bundle that was made before the later range
 * began may end sooner.
 */
function meetingOf(one: Placed, two: Placed): Meeting {
  const [sooner, later] = one.start <= two.start ? [one, two] : [two, one];
  if (later.start > sooner.end) return { kind: 'apart' };
  const [from, to] = [sooner.log.last + 1, later.log.first - 1];
  if (to < from) return { kind: 'meet' };
  const isEarly = sooner.asOf < shift(later.start, TOLERANCE_MS);
  return { kind: isEarly ? 'early' : 'gap', from, to };
}

/** The bundles of the same log that were given to compare with, and what this one shows of their ranges. */
export class OtherStretches {
  private readonly others: readonly OtherStretch[];
  /** How many events of the range of each came after it was made. */
  private readonly came = new Map<OtherStretch, number>();

  /** @param given what each file told of itself: a stretch, why there is none, or undefined of a file of checkpoints */
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
   * To be called for each event of this bundle that was read as it was sealed. If it occurred in the range of another one, and was in
   * the log when that was made, it must be among its leaves: else somebody has cut that one off before it.
   */
  visit({ occurredAt, leaf, number: row, id: event }: EventRow, file: string): void {
    for (const other of this.others) {
      const { name, start, end, isWhole } = other;
      if (occurredAt < start || occurredAt >= end) continue;
      const { size, first, last } = other.log;
      if (leaf >= size) this.came.set(other, (this.came.get(other) ?? 0) + 1);
      else if ((leaf < first || leaf > last) && isWhole) {
        const message = `it occurred at ${occurredAt}, in the range of ${name}, which was made of a log of ${size} events and has leaves ${first} to ${last} alone: ${name} leaves it out`;
        this.report({ kind: 'bundle_lacks', file, row, leaf, event, message });
      }
    }
  }

  /**
   * Compares where each lies with where this one does.
   * @returns how many meet this one, and what is worth knowing of the rest
   */
  compare(manifest: Manifest): { met: number; notices: string[] } {
    const own = { ...momentsOf(manifest.range), asOf: manifest.asOf, log: manifest.log };
    const notices = this.given.flatMap(({ name, stretch }) =>
      typeof stretch === 'string'
        ? [
            `It is not known whether leaves are missing between ${name} and this bundle: ${stretch}.`,
          ]
        : [],
    );
    let met = 0;
    for (const other of this.others) {
      const meeting = meetingOf(own, other);
      if (meeting.kind === 'meet') met += 1;
      else if (meeting.kind === 'gap') this.tellGap(other, meeting.from, meeting.to);
      else notices.push(noticeOf(other, meeting));
      const came = this.came.get(other) ?? 0;
      if (came > 0) {
        notices.push(
          `${plural(came, 'event')} of this bundle occurred in the range of ${other.name} and came after that was made: a new export of that range has them.`,
        );
      }
    }
    return { met, notices };
  }

  private tellGap({ name, range }: OtherStretch, from: number, to: number): void {
    const message = `leaves ${from} to ${to} are neither in this bundle nor in ${name}, and the range of that, ${range.from} to ${range.to}, touches this one's: one of the two was cut off, and events of its range may lie there`;
    this.report({ kind: 'bundle_gap', leaf: from, message });
  }
}

function noticeOf({ name, range }: OtherStretch, meeting: Meeting): string {
  const days = `${range.from} to ${range.to}`;
  if (!('from' in meeting)) {
    return `The range of ${name}, ${days}, does not touch this one's: the bundles of the days between show whether leaves are missing there.`;
  }
  return `Leaves ${meeting.from} to ${meeting.to} are neither in this bundle nor in ${name} (${days}): the sooner of the two was made before its range had ended. Ask for a new export of that range.`;
}

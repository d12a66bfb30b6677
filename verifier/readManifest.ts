import { logOf, originOf } from '../tlog/checkpoint';
import { parseVkey } from '../tlog/signedNote';
import type { NoteVerifier } from '../tlog/signedNote';
import { FORMATS, NEWEST_FORMAT } from './formats';
import type { BundleFormat } from './formats';
import { FormError, parseCanonical } from './members';
import type { Members } from './members';

/** A file as the manifest describes it. */
export interface ListedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly rows: number | null;
  /** The first and the last leaf of its rows, if they have leaves. */
  readonly leaves: { readonly first: number; readonly last: number } | undefined;
  /** The actions that the file shows, if it is a view of audit-log. */
  readonly actions: ReadonlySet<string> | undefined;
}

/** The part of the log that a bundle covers. */
export interface LogStretch {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  readonly first: number;
  readonly last: number;
}

/** The days of a range, both included. */
export interface DayRange {
  readonly from: string;
  readonly to: string;
}

export interface Manifest {
  readonly tenant: { readonly id: string; readonly slug: string; readonly name: string };
  readonly exportId: string;
  readonly range: DayRange;
  readonly bundleFormat: BundleFormat;
  readonly format: 'csv' | 'jsonl';
  readonly asOf: string;
  readonly vkey: string;
  readonly key: NoteVerifier;
  readonly log: LogStretch;
  readonly files: readonly ListedFile[];
  /**
   * The ways in which the server that made the bundle could undo the audit log. It is empty if
   * there were none, or if the manifest does not state them.
   */
  readonly ownership: readonly string[];
}

const BUNDLE_VERSION = 2;
const DAY = /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$/;
const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;
const SHA256 = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function readLeaves(file: Members): ListedFile['leaves'] {
  if (file.isNull('population')) return undefined;
  const population = file.object('population');
  if (population.isNull('firstLeaf') && population.isNull('lastLeaf')) return undefined;
  return { first: population.count('firstLeaf'), last: population.count('lastLeaf') };
}

const readFile = (file: Members): ListedFile => ({
  name: file.text('name'),
  bytes: file.count('bytes'),
  sha256: file.text('sha256', SHA256, 'a SHA-256'),
  rows: file.isNull('rows') ? null : file.count('rows'),
  leaves: readLeaves(file),
  actions: file.has('actions') ? new Set(file.texts('actions')) : undefined,
});

function readLog(log: Members, tenantId: string): LogStretch {
  const origin = log.text('origin');
  if (logOf(origin) !== tenantId) {
    throw new FormError(`log.origin is ${origin}, which is not the log of the tenant`);
  }
  const [size, first, last] = [log.count('size', 1), log.count('firstLeaf'), log.count('lastLeaf')];
  if (first > last || last >= size) {
    throw new FormError(`leaves ${first} to ${last} are not a range within a log of ${size}`);
  }
  return { origin, size, root: log.hash('rootHash'), first, last };
}

const DAY_MS = 86_400_000;

/** @returns the first moment of a range, and the first moment after it */
export function momentsOf({ from, to }: DayRange): { start: string; end: string } {
  const [start, last] = [from, to].map((day) => `${day}T00:00:00.000Z`) as [string, string];
  return { start, end: new Date(Date.parse(last) + DAY_MS).toISOString() };
}

const isDay = (day: string): boolean =>
  DAY.test(day) && new Date(`${day}T00:00:00.000Z`).toISOString().startsWith(day);

function readRange(range: Members): DayRange {
  const [from, to] = [range.text('from'), range.text('to')];
  if (!isDay(from) || !isDay(to) || from > to) {
    throw new FormError('range should be from one day to another');
  }
  return { from, to };
}

/**
 * Thrown for a bundle of a newer format. This verifier cannot check what the manifest of such a
 * bundle states.
 */
export class NewerFormatError extends Error {
  constructor(
    message: string,
    /** The signer, if the manifest still names it as today's formats do. */
    readonly signer: Signer | undefined,
  ) {
    super(message);
    this.name = 'NewerFormatError';
  }
}

export type Signer = Pick<Manifest, 'vkey' | 'key'>;

function readSigner(manifest: Members): Signer & { id: string } {
  const id = manifest.object('tenant').text('id', UUID, 'a UUID');
  const vkey = manifest.text('key');
  const key = parseVkey(vkey);
  if (key?.name !== originOf(id)) throw new FormError('key should be the vkey of the log');
  return { id, vkey, key };
}

function trySigner(manifest: Members): Signer | undefined {
  try {
    return readSigner(manifest);
  } catch {
    return undefined;
  }
}

/**
 * @throws NewerFormatError if the version or the format is newer than this verifier; FormError if
 *   the version is older
 */
function readFormat(manifest: Members): BundleFormat {
  const version = manifest.count('version');
  const number = manifest.has('bundleFormat') ? manifest.count('bundleFormat', 1) : 1;
  if (version > BUNDLE_VERSION || number > NEWEST_FORMAT) {
    const [what, newest] =
      version > BUNDLE_VERSION
        ? [`version ${version}`, BUNDLE_VERSION]
        : [`format ${number}`, NEWEST_FORMAT];
    const message = `the bundle has ${what}, but the newest that this verifier knows is ${newest}`;
    throw new NewerFormatError(message, trySigner(manifest));
  }
  const format = FORMATS.find((one) => one.number === number);
  if (version !== BUNDLE_VERSION || !format) {
    throw new FormError(
      `it is version ${version} of the manifest, but this verifier knows version ${BUNDLE_VERSION}`,
    );
  }
  return format;
}

/**
 * Reads a manifest.
 * @throws FormError if it is no manifest that this release understands
 * @throws NewerFormatError if a newer release would understand it
 */
export function readManifest(bytes: Buffer): Manifest {
  const manifest = parseCanonical(bytes);
  manifest.text('bundle', /^gatehouse-evidence$/, '"gatehouse-evidence"');
  const bundleFormat = readFormat(manifest);
  const tenant = manifest.object('tenant');
  const { id, vkey, key } = readSigner(manifest);
  const format = manifest.text('format', /^(csv|json)$/, '"csv" or "json"');
  const files = manifest.objects('files').map(readFile);
  if (new Set(files.map(({ name }) => name)).size !== files.length) {
    throw new FormError('it names a file twice');
  }
  return {
    tenant: { id, slug: tenant.text('slug'), name: tenant.text('name') },
    exportId: manifest.text('exportId', UUID, 'a UUID'),
    range: readRange(manifest.object('range')),
    bundleFormat,
    format: format === 'csv' ? 'csv' : 'jsonl',
    asOf: manifest.text('asOf', INSTANT, 'a time'),
    ...{ vkey, key, log: readLog(manifest.object('log'), id), files },
    // Bundles of earlier releases do not state this.
    ownership: manifest.has('servingRole') ? manifest.object('servingRole').texts('ways') : [],
  };
}

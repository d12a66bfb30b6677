import { createHash, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { canonicalJson } from '@/tlog/canonicalJson';
import type { Json } from '@/tlog/canonicalJson';
import { signCheckpoint } from '@/tlog/checkpoint';
import { toLeafEntry } from '@/tlog/leaf';
import type { SealedEvent } from '@/tlog/leaf';
import { nameKey, signNote, toVkey } from '@/tlog/signedNote';
import { subtreesOf } from '@/tlog/treeProofs';
import { csvCell, guard, jsonbText } from './madeUpCells';
import { TABLE_EVENTS } from './madeUpTableEvents';
import { EVENT_TABLES, writeTable } from './madeUpTables';
import { consistencyPath, treeHash } from './referenceTree';
import { FORMATS, NEWEST_FORMAT } from '@/verifier/formats';
import { writeZip } from './rawZip';
import type { RawFile, RawZip } from './rawZip';

export const TENANT = '01900000-0000-7000-8000-00000000000a';
export const ORIGIN = `gatehouse/${TENANT}`;
const DAY_MS = 86_400_000;
export const VIEW_ACTIONS = [
  ...['SUSPICIOUS_LOGIN_DETECTED', 'SESSION_INVALIDATED'],
  ...['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED'],
  ...['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED'],
  ...['STEP_UP_VERIFIED', 'AUTH_TOKEN_REFRESH', 'AUTH_TOKEN_REISSUED'],
];

export interface LogKeys {
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

export const makeKeys = (): LogKeys => {
  const { privateKey: key, publicKey } = generateKeyPairSync('ed25519');
  return { key, publicKey };
};

export const vkeyOf = ({ publicKey }: LogKeys): string => toVkey(nameKey(ORIGIN, publicKey));

/** Texts that a spreadsheet, a terminal or a careless reader might misinterpret. */
export const HOSTILE_TEXTS = [
  '=1+1',
  "'=quoted",
  '@SUM(A1)',
  '-1',
  '+1',
  '\ttab',
  '\rcr',
  '\nlf',
  '＝full',
  '＠full',
  '"',
  '""',
  'a,b',
  'line\r\nbreak',
  '\\.',
  '\u202Egnp.exe',
  '🦊👩‍👩‍👧',
  'NEL\u0085LS\u2028PS\u2029',
  '\u0001\u001f\u007f',
  '\uFEFFbom',
  "''",
  ' ',
  '',
];

const isoAt = (ms: number): string => new Date(ms).toISOString();

/**
 * Makes a log of several days: two batches an hour, each of two events. The second event of a batch
 * happened just before the previous batch.
 */
export function makeEvents(count: number, start = Date.UTC(2026, 2, 1, 20)): SealedEvent[] {
  return Array.from({ length: count }, (_, leaf) => {
    const sealed = start + Math.floor(leaf / 2) * 30 * 60_000 + 200;
    const text = HOSTILE_TEXTS[leaf % HOSTILE_TEXTS.length] ?? '';
    return {
      id: `01900000-0000-7000-8000-${String(leaf).padStart(12, '0')}`,
      tenant_id: TENANT,
      occurred_at: isoAt(sealed - (leaf % 2 === 0 ? 100 : 60_000)),
      action: ['STEP_UP_VERIFIED', 'AUTH_LOGIN_FAILED', 'AUTH_TOKEN_REFRESH'][leaf % 3] ?? '',
      outcome: 'success',
      actor: `actor ${text}`,
      subject: leaf % 5 === 0 ? null : text,
      on_behalf_of: null,
      session_id: leaf % 4 === 0 ? null : '01900000-0000-7000-8000-0000000000ff',
      ip: '203.0.113.7',
      country: leaf % 2 === 0 ? 'GB' : null,
      user_agent: text,
      correlation_id: `c-${leaf}`,
      details: leaf % 3 === 0 ? { b: [1, 0.5, text], aa: { z: null } } : {},
      ...TABLE_EVENTS[leaf],
      leaf_index: leaf,
      sealed_at: isoAt(sealed),
    };
  });
}

export const entryOf = (event: SealedEvent): Buffer => Buffer.from(toLeafEntry(event));

const COLUMNS =
  'leaf_index,id,occurred_at,sealed_at,action,outcome,actor,subject,on_behalf_of,session_id,ip,country,user_agent,correlation_id,details';

export function csvRow(event: SealedEvent): string {
  const text = (value: string | null) => (value === null ? null : guard(value));
  const cells = [
    ...[String(event.leaf_index), event.id, event.occurred_at, event.sealed_at],
    ...[text(event.action), event.outcome, text(event.actor), text(event.subject)],
    ...[event.on_behalf_of, event.session_id, text(event.ip), text(event.country)],
    ...[text(event.user_agent), text(event.correlation_id), jsonbText(event.details)],
  ];
  return `${cells.map(csvCell).join(',')}\r\n`;
}

export function jsonRow(event: SealedEvent): string {
  const line = toLeafEntry({ ...event, details: null });
  return `${line.replace('"details":null', () => `"details":${jsonbText(event.details)}`)}\n`;
}

export interface BundlePlan {
  /** All events of the log. */
  readonly events: readonly SealedEvent[];
  readonly keys: LogKeys;
  readonly range?: { from: string; to: string };
  readonly format?: 'csv' | 'json';
  /** The newest by default. */
  readonly bundleFormat?: number;
  /** The sizes of the log at which earlier bundles were made. */
  readonly earlier?: readonly number[];
  /** Replaces the stretch that belongs to the range. */
  readonly first?: number;
  readonly last?: number;
  /** Decides which events are put into audit-log, instead of those of the range. */
  readonly isInRange?: (event: SealedEvent) => boolean;
}

/** A bundle's files before they are packed. Attacks change these. */
export interface OpenBundle {
  readonly plan: BundlePlan;
  readonly files: Map<string, Buffer>;
  readonly manifest: Record<string, Json>;
}

const base64 = (hash: Buffer): string => hash.toString('base64');
const DEFAULT_RANGE = { from: '2026-03-02', to: '2026-03-02' };

/** Returns the stretch by the rules of docs/decisions/0019, or by those of format 1. */
export function findStretch({ events, range = DEFAULT_RANGE, bundleFormat }: BundlePlan) {
  const start = `${range.from}T00:00:00.000Z`;
  const end = isoAt(Date.parse(`${range.to}T00:00:00.000Z`) + DAY_MS);
  const [opened, settled] = [
    isoAt(Date.parse(start) - 5 * 60_000),
    isoAt(Date.parse(end) + 5 * 60_000),
  ];
  const countUntil = (moment: string) => events.filter((one) => one.sealed_at < moment).length;
  const late = events[countUntil(settled)];
  const behind = late && events.find((one) => one.sealed_at > late.sealed_at)?.leaf_index;
  const ends =
    bundleFormat === 1
      ? [countUntil(start), countUntil(settled)]
      : [countUntil(opened), behind ?? events.length];
  const [before = 0, last = 0] = ends;
  return {
    ...{ first: Math.max(0, before - 1), last: Math.min(events.length - 1, last) },
    isInRange: ({ occurred_at }: SealedEvent) => occurred_at >= start && occurred_at < end,
  };
}

const noteOf = (keys: LogKeys, entries: readonly Buffer[]): string =>
  signCheckpoint(TENANT, { size: entries.length, root: treeHash(entries) }, keys);

/** Returns the head of a log of the first `size` events. */
export const checkpointOf = ({ events, keys }: BundlePlan, size: number): string =>
  noteOf(keys, events.slice(0, size).map(entryOf));

const rootsOf = (entries: readonly Buffer[], start: number, end: number): string[] =>
  subtreesOf(start, end).map(({ level, index }) =>
    base64(treeHash(entries.slice(index * 2 ** level, (index + 1) * 2 ** level))),
  );

function writeRows(format: 'csv' | 'json', events: readonly SealedEvent[]): Buffer {
  const rows = events.map(format === 'csv' ? csvRow : jsonRow);
  return Buffer.from((format === 'csv' ? `${COLUMNS}\r\n` : '') + rows.join(''));
}

const tablesOf = (bundleFormat: number): string[] =>
  (FORMATS[bundleFormat - 1]?.files ?? [])
    .filter((name) => name.endsWith('.csv'))
    .map((name) => name.replace('.csv', ''));
/** A table whose rows are compared with nothing. */
const OTHER_TABLE = 'id,note\r\n1,"two\r\nlines"\r\n2,\r\n';

/** Makes the files of a bundle, and a manifest without a list of files. */
export function openBundle(plan: BundlePlan): OpenBundle {
  const { events, keys, range = DEFAULT_RANGE, format = 'csv', earlier = [] } = plan;
  const { bundleFormat = NEWEST_FORMAT } = plan;
  const stretch = { ...findStretch(plan), ...plan };
  const { first, last } = stretch;
  const isInRange = plan.isInRange ?? stretch.isInRange;
  const entries = events.map(entryOf);
  const [size, rootHash] = [events.length, base64(treeHash(entries))];
  const head = { origin: ORIGIN, size, rootHash };
  const covered = events.slice(first, last + 1);
  const shown = covered.filter(isInRange);
  // Tables of older formats show no removals.
  const inTables =
    bundleFormat < 3 ? shown.filter(({ action }) => action !== 'STAFF_REMOVED') : shown;
  const leaf = (entry: Buffer) => base64(treeHash([entry]));
  const from = earlier.map((at, index) => ({
    exportId: `01900000-0000-7000-8000-0000000e${String(index).padStart(4, '0')}`,
    size: at,
    rootHash: base64(treeHash(entries.slice(0, at))),
    checkpoint: checkpointOf(plan, at),
    hashes: consistencyPath(at, entries).map(base64),
  }));
  const json = (value: Json) => Buffer.from(canonicalJson(value));
  const ext = format === 'csv' ? 'csv' : 'jsonl';
  const files = new Map<string, Buffer>([
    ['README.txt', Buffer.from('What this is.\n')],
    [
      `audit-log-edges.${ext}`,
      writeRows(
        format,
        covered.filter((event) => !isInRange(event)),
      ),
    ],
    [`audit-log.${ext}`, writeRows(format, shown)],
    [
      'leaves.txt',
      Buffer.from(
        entries
          .slice(first, last + 1)
          .map((one) => `${leaf(one)}\n`)
          .join(''),
      ),
    ],
    [
      'leaves.json',
      json({
        ...{ ...head, first, last },
        before: rootsOf(entries, 0, first),
        after: rootsOf(entries, last + 1, size),
      }),
    ],
    ['checkpoint.txt', Buffer.from(noteOf(keys, entries))],
    ['consistency.json', json({ ...head, from })],
    [
      `security-events.${ext}`,
      writeRows(
        format,
        shown.filter(({ action }) => VIEW_ACTIONS.includes(action)),
      ),
    ],
    ...tablesOf(bundleFormat).map((name): [string, Buffer] => [
      `${name}.csv`,
      EVENT_TABLES.includes(name) ? writeTable(name, inTables) : Buffer.from(OTHER_TABLE),
    ]),
    ['summary.html', Buffer.from('<!doctype html>')],
  ]);
  const manifest = {
    ...(bundleFormat === 1 ? {} : { bundleFormat }),
    ...{ bundle: 'gatehouse-evidence', version: 2, generator: { name: 'gatehouse', version: '0' } },
    exportId: '01900000-0000-7000-8000-0000000e9999',
    tenant: { id: TENANT, slug: 'acme', name: 'Acme' },
    ...{ range, format, asOf: '2026-03-20T00:00:00.000Z', key: vkeyOf(keys) },
    log: { ...head, firstLeaf: first, lastLeaf: last },
  };
  return { plan, files, manifest };
}

function describeFile(name: string, content: Buffer): Record<string, Json> {
  const text = content.toString();
  const isLog = /^(audit-log|audit-log-edges|security-events)\./.test(name);
  const isTable = name.endsWith('.csv');
  const rows = isTable ? splitRows(text).length - 1 : text.split('\n').length - 1;
  const leaves = [...text.matchAll(/^([0-9]+),0190|"leaf_index":([0-9]+)/gm)].map((match) =>
    Number(match[1] ?? match[2]),
  );
  return {
    ...{ name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') },
    rows: isTable || name.endsWith('.jsonl') || name === 'leaves.txt' ? rows : null,
    description: name,
    population: isLog
      ? { of: 'x', filter: 'y', firstLeaf: leaves[0] ?? null, lastLeaf: leaves.at(-1) ?? null }
      : null,
    ...(name.startsWith('security') ? { actions: VIEW_ACTIONS } : {}),
  };
}

/** Returns the records of a CSV text, with their line breaks. */
export const splitRows = (text: string): string[] =>
  text.match(/(?:"(?:[^"]|"")*"|[^"\r]|\r(?!\n))*\r\n/g) ?? [];

/**
 * Writes the manifest of the present files and signs it, which only the holder of the key can do.
 * @param retell changes what the manifest states about a file
 */
export function sign(
  bundle: OpenBundle,
  keys = bundle.plan.keys,
  retell: (file: Record<string, Json>) => Record<string, Json> = (file) => file,
): Map<string, Buffer> {
  const files = [...bundle.files].map(([name, content]) => retell(describeFile(name, content)));
  const manifest = canonicalJson({ ...bundle.manifest, key: vkeyOf(keys), files });
  const signature = signNote(`${manifest}\n`, nameKey(ORIGIN, keys.publicKey), keys.key);
  return new Map([
    ...bundle.files,
    ['manifest.json', Buffer.from(manifest)],
    ['manifest.sig', Buffer.from(signature)],
  ]);
}

/** @param change changes the files on the way into the ZIP */
export const pack = (
  files: ReadonlyMap<string, Buffer>,
  change: (files: RawFile[]) => RawFile[] = (all) => all,
  options: RawZip = {},
): Buffer => writeZip(change([...files].map(([name, content]) => ({ name, content }))), options);

/** Returns a bundle without any fault. */
export const makeBundle = (plan: BundlePlan): Buffer => pack(sign(openBundle(plan)));

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GENERATE, RECORD, hashOf, numberOf, parseSnapshot } from './folder';
import type { Entry, MigrationsFolder } from './folder';
import type { Finding, FindingCode } from './finding';

const DAY_MS = 86_400_000;
const NAME = /^\d{4}_[a-z0-9]+(_[a-z0-9]+)*$/;
const AGAIN = `remove the later one (its file, its journal entry, its snapshot), then: ${GENERATE}`;

const finding = (code: FindingCode, object: string, message: string, fix: string): Finding => ({
  code,
  object,
  message,
  fix,
});

let madeUp: RegExp | undefined;

/**
 * Returns whether a name such as `0006_quick_wolverine` comes from drizzle-kit's own lists, which
 * it uses if no name is given.
 */
function isMadeUp(tag: string): boolean {
  madeUp ??= readWordLists();
  return madeUp.test(tag);
}

function readWordLists(): RegExp {
  const nothing = /(?!)/;
  try {
    const bin = join(dirname(require.resolve('drizzle-kit')), 'bin.cjs');
    const source = readFileSync(bin, 'utf8');
    const list = (name: string) =>
      [
        ...(new RegExp(`\\b${name} = \\[([^\\]]+)\\]`).exec(source)?.[1] ?? '').matchAll(
          /"([a-z_]+)"/g,
        ),
      ]
        .map(([, word]) => word)
        .join('|');
    const [adjectives, heroes] = [list('adjectives'), list('heroes')];
    return adjectives && heroes ? new RegExp(`^\\d{4}_(${adjectives})_(${heroes})$`) : nothing;
  } catch {
    return nothing;
  }
}

function checkEntry(folder: MigrationsFolder, entry: Entry): Finding[] {
  const { tag } = entry;
  const found: Finding[] = [];
  const file = `migrations/${tag}.sql`;
  if (!folder.sql.has(tag)) {
    const mend = `git checkout -- ${file}, or, if it never landed, remove its entry from migrations/meta/_journal.json`;
    found.push(
      finding('FILE_MISSING', tag, `The journal names ${tag}, but ${file} is missing.`, mend),
    );
  }
  const snapshot = `migrations/meta/${numberOf(entry)}_snapshot.json`;
  if (!folder.snapshots.has(numberOf(entry))) {
    const mend = `git checkout -- ${snapshot}, or generate the migration again: ${GENERATE}`;
    found.push(finding('FILE_MISSING', tag, `${snapshot} of ${tag} is missing.`, mend));
  }
  if (!NAME.test(tag)) {
    const message = `${tag} is not a valid name for a migration: use four digits and a description, such as 0006_sessions_remember_their_network.`;
    found.push(finding('BADLY_NAMED', tag, message, AGAIN));
  } else if (Number(tag.slice(0, 4)) !== entry.idx) {
    const message = `${tag} has number ${entry.idx} in the journal.`;
    found.push(finding('BADLY_NAMED', tag, message, AGAIN));
  } else if (isMadeUp(tag)) {
    const message = `${tag} is a name that drizzle-kit invented: it does not describe the change.`;
    found.push(finding('BADLY_NAMED', tag, message, AGAIN));
  }
  if (entry.when > Date.now() + DAY_MS) {
    const message = `${tag} is dated ${new Date(entry.when).toISOString()}: the next migrations would have earlier dates, and would be skipped.`;
    found.push(finding('OUT_OF_ORDER', tag, message, AGAIN));
  }
  return found;
}

/** Finds the conflict of two developers who each created the next migration. */
function checkNeighbours({ entries }: MigrationsFolder): Finding[] {
  return entries.flatMap((entry, at) => {
    const before = entries.slice(0, at);
    const twin = before.find(
      ({ idx, when, tag }) => idx === entry.idx || when === entry.when || tag === entry.tag,
    );
    if (twin) {
      const what = twin.idx === entry.idx ? 'number' : twin.when === entry.when ? 'time' : 'name';
      const message = `${twin.tag} and ${entry.tag} have the same ${what}: one of them would be skipped silently.`;
      return [finding('DOUBLED', entry.tag, message, AGAIN)];
    }
    const last = before.at(-1);
    const rises =
      last === undefined ? entry.idx === 0 : entry.idx === last.idx + 1 && entry.when > last.when;
    if (rises) return [];
    const message = last
      ? `${entry.tag} does not follow ${last.tag}: number and time must increase, or it would be skipped silently.`
      : `${entry.tag} is the first in the journal, but its number is not 0.`;
    return [finding('OUT_OF_ORDER', entry.tag, message, AGAIN)];
  });
}

function checkStrays({ entries, sql, snapshots }: MigrationsFolder): Finding[] {
  const tags = new Set(entries.map(({ tag }) => tag));
  const numbers = new Set(entries.map(numberOf));
  const strays = [
    ...[...sql.keys()].filter((tag) => !tags.has(tag)).map((tag) => `migrations/${tag}.sql`),
    ...[...snapshots.keys()]
      .filter((number) => !numbers.has(number))
      .map((number) => `migrations/meta/${number}_snapshot.json`),
  ];
  return strays.map((file) => {
    const number = /\d{4}/.exec(file)?.[0] ?? '';
    const twin = entries.find((entry) => numberOf(entry) === number && file.endsWith('.sql'));
    const fix = `delete ${file} and generate it again (${GENERATE}), or restore its journal entry`;
    return twin
      ? finding(
          'DOUBLED',
          file,
          `${file} and ${twin.tag} have the same number, but the journal names only ${twin.tag}.`,
          fix,
        )
      : finding(
          'FILE_UNKNOWN',
          file,
          `The journal does not name ${file}, so it would never be applied.`,
          fix,
        );
  });
}

const ORIGIN = '00000000-0000-0000-0000-000000000000';

function checkChain({ entries, snapshots }: MigrationsFolder): Finding[] {
  let before = ORIGIN;
  return entries.flatMap((entry) => {
    const text = snapshots.get(numberOf(entry));
    if (text === undefined) return [];
    const file = `migrations/meta/${numberOf(entry)}_snapshot.json`;
    const snapshot = parseSnapshot(text);
    const expected = before;
    before = snapshot?.id ?? before;
    if (!snapshot) return [finding('CHAIN_BROKEN', entry.tag, `${file} is not a snapshot.`, AGAIN)];
    if (snapshot.prevId === expected) return [];
    const message = `${entry.tag} was not generated from the schema after the previous migration (${file}).`;
    return [finding('CHAIN_BROKEN', entry.tag, message, AGAIN)];
  });
}

/**
 * Compares the migrations with their pins. The pins record the landed migrations for places without
 * git, such as an image or an archive.
 */
function checkPins({ entries, sql, snapshots, pins: { pins } }: MigrationsFolder): Finding[] {
  const tags = new Set(entries.map(({ tag }) => tag));
  const removed = Object.keys(pins)
    .filter((tag) => !tags.has(tag))
    .map((tag) =>
      finding(
        'EDITED',
        tag,
        `${tag} is pinned, but missing from the journal.`,
        `git checkout -- migrations, or if it never landed: ${RECORD}`,
      ),
    );
  const unrecorded = entries.flatMap((entry) => {
    const { tag, when } = entry;
    const pin = pins[tag];
    if (!pin) {
      return [finding('UNRECORDED', tag, `${tag} has no pin in migrations/pins.json.`, RECORD)];
    }
    const [text, snapshot] = [sql.get(tag), snapshots.get(numberOf(entry))];
    const same =
      (text === undefined || hashOf(text) === pin.sql) &&
      (snapshot === undefined || hashOf(snapshot) === pin.snapshot) &&
      when === pin.when;
    if (same) return [];
    const fix = `if it landed: git checkout -- migrations, and write a new migration; if not: ${RECORD}`;
    return [finding('UNRECORDED', tag, `${tag} differs from its pin: it was edited.`, fix)];
  });
  return [...removed, ...unrecorded];
}

/** Runs every check of the folder that needs neither git nor a database. */
export const checkFiles = (folder: MigrationsFolder): Finding[] => [
  ...folder.entries.flatMap((entry) => checkEntry(folder, entry)),
  ...checkNeighbours(folder),
  ...checkStrays(folder),
  ...checkChain(folder),
  ...checkPins(folder),
];

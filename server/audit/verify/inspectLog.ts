import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { lateNotice } from '../../../tlog/batchTimes';
import { createBelievers } from '../../../tlog/believedKeys';
import type { GivenKeys } from '../../../tlog/believedKeys';
import { EarlierHeads } from './earlierLogHeads';
import type { GivenCheckpoint } from './earlierLogHeads';
import { listFindings } from './logFindings';
import type { LogFindings } from './logFindings';
import type { Report } from './logFindings';
import { checkGuards } from './guards';
import { readGuards } from './guardStore';
import { checkUnsealed } from './unsealed';
import type { Unsealed } from './unsealed';
import {
  begin,
  findLog,
  lookAgain,
  openClient,
  openStreams,
  readSealer,
  readStoredKeys,
  readUnsealed,
} from './verifyStore';
import type { SealerView } from './verifyStore';
import { walkLogs } from './walkLogs';
import type { Walk } from './walkLogs';

/** The log could not be verified, which does not mean that nothing is wrong. The message is one plain sentence. */
export class CannotVerifyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotVerifyError';
  }
}

export interface VerifyOptions {
  readonly databaseUrl: string;
  /** The keys whose signatures are trusted. */
  readonly keys: GivenKeys;
  /** Checkpoints that were handed out earlier. */
  readonly earlier?: AsyncIterable<GivenCheckpoint>;
  /** A tenant's slug, or the id of a log; only that log is verified. */
  readonly tenant?: string | undefined;
  /** How many findings are kept to be shown; all are counted. */
  readonly limit: number;
  /** How long a sealer that has events to seal may take before it is reported as not running, in milliseconds. */
  readonly patienceMs?: number;
  readonly onProgress?: (events: number, ofEvents: number) => void;
}

export interface Verification {
  readonly findings: LogFindings;
  /** Notices that are worth knowing but are no findings. */
  readonly notices: readonly string[];
  /** Undefined if tables are missing or columns have another type, so that not everything could be read. */
  readonly walk: Walk | undefined;
  /** How many earlier checkpoints were given. */
  readonly given: number;
}

const PATIENCE_MS = 3000;
const LOOK_EVERY_MS = 200;

interface Looked {
  readonly walk: Walk;
  readonly unsealed: Unsealed;
  readonly sealer: SealerView;
  readonly given: number;
  /** Earlier checkpoints of logs that were not verified. */
  readonly passed: number;
  /** Earlier checkpoints of logs for which no key was given. */
  readonly unvouched: number;
}

async function resolveLog(client: Client, tenant: string | undefined) {
  if (tenant === undefined) return undefined;
  const log = await findLog(client, tenant);
  if (log === undefined) throw new CannotVerifyError(`There is no tenant '${tenant}'.`);
  return log;
}

/** Checks everything that one snapshot shows. */
async function look(client: Client, options: VerifyOptions, report: Report): Promise<Looked> {
  const log = await resolveLog(client, options.tenant);
  const believers = createBelievers(options.keys, await readStoredKeys(client));
  const earlier = new EarlierHeads(believers, report);
  for await (const one of options.earlier ?? []) earlier.add(one);
  const sealer = await readSealer(client, log);
  const unsealed = await checkUnsealed(await readUnsealed(client, log), report);
  const streams = await openStreams(client, log);
  const total = Number(sealer.leaves);
  const onProgress = ({ events }: Walk) => options.onProgress?.(events, total);
  const { now } = sealer;
  const walk = await walkLogs(streams, { report, now, believers, earlier, onProgress });
  const passed = earlier.end(log);
  if (sealer.state !== null && walk.logs === 0 && log === undefined) {
    const message = 'the sealer has sealed events in this database, but no log is left';
    report({ kind: 'log_missing', message });
  }
  if (sealer.state === null && walk.logs > 0) {
    const message =
      'audit_sealer has no row: it is unknown which events the sealer has passed, and it would begin again';
    report({ kind: 'sealer_state_missing', message });
  }
  return { walk, unsealed, sealer, given: earlier.given, passed, unvouched: earlier.unvouched };
}

/** Returns whether a sealer works on the overdue events: a running one begins within a second. */
async function isSealing(
  client: Client,
  before: SealerView,
  overdue: readonly string[],
  patienceMs: number,
): Promise<boolean> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const { left, state, busy } = await lookAgain(client, overdue);
    if (overdue.length > 0 && left === 0) return true;
    if (state !== before.state && (busy || overdue.length === 0)) return true;
    if (performance.now() >= until) return false;
    await sleep(LOOK_EVERY_MS);
  }
}

/**
 * Judges the events that wait for the sealer. They are no finding as long as a sealer runs, which takes a second
 * look.
 */
async function judgeWaiting(
  client: Client,
  { walk, unsealed, sealer }: Looked,
  options: VerifyOptions,
  report: Report,
): Promise<string[]> {
  const notices: string[] = [];
  const { waiting, oldest, overdue, overdueIds } = unsealed;
  // A copy has no sealer until a server is started on it.
  const isOverdue = overdue > 0 && !sealer.moved;
  const isStuck = walk.uncoveredLogs > 0 && sealer.slow;
  const patience = options.patienceMs ?? PATIENCE_MS;
  const sealing =
    (isOverdue || isStuck) &&
    (await isSealing(client, sealer, isOverdue ? overdueIds : [], patience));
  if (isOverdue && !sealing) {
    const message = `${overdue} of ${waiting} unsealed events have waited for more than a minute, the oldest since ${oldest?.at}: no server runs, or it cannot seal`;
    report({ kind: 'not_sealed', event: oldest?.id, message });
  } else if (waiting > 0) {
    notices.push(`${waiting} events wait to be sealed, the oldest since ${oldest?.at}.`);
  }
  const onItsWay = sealer.busy && (sealing || !sealer.slow);
  if (walk.uncoveredLogs > 0 && onItsWay) {
    const { uncoveredLogs } = walk;
    notices.push(`Sealing is under way: ${uncoveredLogs} logs are ahead of their checkpoints.`);
  }
  for (const { log, from, to } of onItsWay ? [] : walk.uncovered) {
    const message = `no checkpoint covers the leaves ${from} to ${to}, and none is being made: anyone who can write to the database could have written them`;
    report({ kind: 'not_covered', log, leaf: from, message });
  }
  return notices;
}

function noticesOf({ walk, sealer, passed, unvouched }: Looked, options: VerifyOptions): string[] {
  const notices: string[] = [];
  const { step, steps, ahead, late } = walk;
  if (late > 0) notices.push(lateNotice(late));
  if (ahead) {
    notices.push(
      `Leaf ${ahead.leaf} of log ${ahead.log} was sealed at ${ahead.at}, but it is only ${sealer.now} now: the database's clock is, or was, wrong.`,
    );
  }
  if (step) {
    const to = step.to === undefined ? 'to an earlier time' : `to ${step.to}`;
    notices.push(
      `The database's clock was stepped back ${steps === 1 ? 'once' : `${steps} times`}, first at leaf ${step.leaf} of log ${step.log}: from ${step.from} ${to}.`,
    );
  }
  if (sealer.moved) {
    notices.push(
      'This database is a copy: it was last sealed in another cluster. Events that are not sealed yet cannot be judged.',
    );
  }
  if (walk.uncompared > 0) {
    notices.push(
      `${walk.uncompared} checkpoints could not be compared, because leaves before them are missing.`,
    );
  }
  if (walk.unvouched !== undefined) {
    notices.push(
      `No key was given for ${walk.unvouchedLogs} of ${walk.logs} logs, the first ${walk.unvouched}: nobody vouches for their checkpoints. Give a key for each (a vkey is valid for one log only), or verify one log with --tenant.`,
    );
  }
  if (unvouched > 0) {
    notices.push(
      `${unvouched} earlier checkpoints were not compared: no key was given for their logs.`,
    );
  }
  if (passed > 0)
    notices.push(`${passed} earlier checkpoints were not compared: they belong to other logs.`);
  if (options.tenant !== undefined && walk.logs === 0) {
    notices.push(`This database has no log of '${options.tenant}'.`);
  }
  return notices;
}

/** The errors of Postgres if an operator or a function gets a type that it does not support. */
const WRONG_TYPE = ['42883', '42804', '22P02'];

/** @returns undefined if a column has a type that the queries cannot read; the change itself has been reported */
async function lookIfPossible(
  client: Client,
  options: VerifyOptions,
  findings: LogFindings,
): Promise<Looked | undefined> {
  try {
    return await look(client, options, findings.add);
  } catch (error) {
    const code = String((error as { code?: unknown }).code);
    if (WRONG_TYPE.includes(code) && findings.count().column_changed) return undefined;
    throw error;
  }
}

async function verifyWith(client: Client, options: VerifyOptions): Promise<Verification> {
  const findings = listFindings(options.limit);
  const report = findings.add;
  await begin(client);
  const guards = await readGuards(client);
  if (!guards.tables.some(({ name }) => name.startsWith('audit_'))) {
    throw new CannotVerifyError(
      'This database has no audit log. Check that DATABASE_URL is right and that the database was migrated.',
    );
  }
  const isThere = checkGuards(guards, report);
  const looked = isThere ? await lookIfPossible(client, options, findings) : undefined;
  if (!looked) return { findings, notices: [], walk: undefined, given: 0 };
  await client.query('COMMIT');
  const waiting = await judgeWaiting(client, looked, options, report);
  const notices = [...noticesOf(looked, options), ...waiting];
  return { findings, notices, walk: looked.walk, given: looked.given };
}

/**
 * Verifies the log of a database as it is at one moment. It streams the rows and writes nothing.
 * @throws CannotVerifyError, NoteFileError, or the driver's error if it could not verify
 */
export async function verifyLog(options: VerifyOptions): Promise<Verification> {
  const client = await openClient(options.databaseUrl);
  try {
    return await verifyWith(client, options);
  } finally {
    await client.end().catch(() => undefined);
  }
}

import type { Readable } from 'node:stream';
import type { Pool, PoolClient } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { SECURITY_EVENT_ACTIONS } from '../audit';
import { findOwnership } from '../bootstrap/findOwnership';
import { isoTime } from '../db/isoTime';
import { runLong } from '../db/runLong';
import { AppError } from '../errors';
import { gatherProofs } from './bundleProofs';
import type { BundleProofs } from './bundleProofs';
import { copyStatement, probeStatement, spanStatement } from './copyStore';
import type { ExportFile, SnapshotSettings } from './copyStore';
import { exportKey } from './deadExportStore';
import { COPY_LEAF_HASHES } from './eventFileStore';
import type { ExportFormat, TimeRange } from './exportInput';
import { findStretch } from './stretchStore';
import type { Stretch } from './stretchStore';
import { countByWeek } from './summaryStore';
import type { WeekCount } from './summaryStore';

export interface ExportedTenant {
  id: string;
  slug: string;
  name: string;
}

export interface LeafSpan {
  readonly first: number;
  readonly last: number;
}

/** One consistent view of a tenant's data, on a connection of its own. */
export interface ExportSnapshot {
  readonly tenant: ExportedTenant;
  /** ISO 8601, UTC: everything committed before it is in the snapshot. */
  readonly asOf: string;
  /** The part of the tenant's log that holds the range. */
  readonly stretch: Stretch;
  /** By what the role that serves could undo the audit log; empty if it could not. */
  readonly ownership: readonly string[];
  /** The rows of a file, as the database formats them. One at a time, each read to its end. */
  copy(file: ExportFile): Readable;
  /** The hashes of the stretch's leaves, in base64, a line each. */
  copyLeafHashes(): Readable;
  /** The first leaf and the last of the rows of a file that has them. */
  findSpan(file: ExportFile): Promise<LeafSpan | undefined>;
  /** @throws AppError AUDIT_LOG_BROKEN */
  prove(): Promise<BundleProofs>;
  countByWeek(): Promise<WeekCount[]>;
  /** Ends the transaction and gives the connection back. */
  close(): Promise<void>;
  /** Drops the connection, and with it the COPY that may still run on it. Harmless after close. */
  abort(): void;
  /** What went wrong with the database since the snapshot was taken, if anything did. */
  fault(): Error | undefined;
}

/**
 * An export may take longer than a request is allowed to. It locks nothing that anybody waits for, except
 * changes of the schema; and it does not wait for those for long.
 */
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL statement_timeout = 0;
  SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL lock_timeout = '5s';
  SET LOCAL timezone = 'UTC'`;

/** The first statement that reads: it takes the snapshot, just after the time that it returns. */
const TAKE_SNAPSHOT = `SELECT ${isoTime('statement_timestamp()')} AS as_of`;

/** For as long as the snapshot lives, everybody can see that the export does; see deadExportStore.ts. */
const SHOW_ALIVE = 'SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))';

const READ_TENANT = 'SELECT id, slug, name FROM tenants WHERE id = $1';

const SET = `SELECT set_config('gatehouse.' || key, value, true) FROM jsonb_each_text($1::jsonb)`;

const PLANS = [
  'enable_hashjoin',
  'enable_mergejoin',
  'enable_sort',
  'enable_seqscan',
  'enable_bitmapscan',
];
/** What makes a second process worth its start, for the planner. */
const COSTS = ['parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_index_scan_size'];
const setAll = (names: readonly string[], value: string) =>
  names.map((name) => `SET LOCAL ${name} = ${value}`).join('; ');
/**
 * What is read along an index must not be gathered and sorted first, whatever the planner makes of settings that it cannot see. It is the
 * database that an export waits for: one more process formats half of the rows, where the database has one to spare.
 */
const WALK = `${setAll(PLANS, 'off')}; ${setAll(COSTS, '0')}; SET LOCAL max_parallel_workers_per_gather = 1`;
const LOOK_UP = `${setAll(PLANS, 'on')}; ${setAll(COSTS, 'DEFAULT')}; SET LOCAL max_parallel_workers_per_gather = 0`;
const planAs = (walks: boolean): string => (walks ? WALK : LOOK_UP);

async function prepare(
  client: PoolClient,
  tenantId: string,
  { exportId, range }: { exportId: string; range: TimeRange },
) {
  await client.query(BEGIN);
  const taken = await client.query<{ as_of: string }>(TAKE_SNAPSHOT);
  await client.query(SHOW_ALIVE, [exportKey(exportId)]);
  const found = await client.query<ExportedTenant>(READ_TENANT, [tenantId]);
  const tenant = found.rows[0];
  if (!tenant) throw new AppError('NOT_FOUND', { detail: 'No such tenant.' });
  await client.query(WALK);
  const ownership = (await findOwnership(client, null))?.ways ?? [];
  const stretch = await findStretch(client, tenantId, range);
  const settings: SnapshotSettings = {
    tenant_id: tenantId,
    range_start: range.start.toISOString(),
    range_end: range.end.toISOString(),
    security_actions: SECURITY_EVENT_ACTIONS.join(','),
    first_leaf: String(stretch.first),
    last_leaf: String(stretch.last),
    tree_size: String(stretch.head.size),
    edge_before: String(stretch.edges.before),
    edge_after: String(stretch.edges.after),
  };
  await client.query(SET, [JSON.stringify(settings)]);
  return { asOf: taken.rows[0]?.as_of ?? '', tenant, stretch, ownership };
}

/** Watches a connection: an error that nobody listens for would end the process. */
function watchFaults(client: PoolClient) {
  let first: Error | undefined;
  const note = (error: Error) => {
    first ??= error;
  };
  client.on('error', note);
  return { note, first: () => first };
}

/** Gives a connection back, once: clean, or to be closed because something may still run on it. */
function releaseOnce(client: PoolClient, note: (error: Error) => void) {
  let released = false;
  return (broken: boolean) => {
    if (released) return;
    released = true;
    if (!broken) client.off('error', note);
    client.release(broken);
  };
}

/**
 * Takes a dedicated connection and one repeatable-read snapshot on it, and makes sure that every file could
 * be read: an export that cannot succeed fails here, while the caller can still be told.
 * @throws the driver's error where the database is away or lacks a table; AppError NOT_FOUND without the tenant
 */
export async function openSnapshot(
  pool: Pool,
  tenantId: string,
  wanted: {
    exportId: string;
    range: TimeRange;
    format: ExportFormat;
    files: readonly ExportFile[];
  },
): Promise<ExportSnapshot> {
  const { format, files } = wanted;
  const client = await pool.connect();
  const faults = watchFaults(client);
  const release = releaseOnce(client, faults.note);
  try {
    const { asOf, tenant, stretch, ownership } = await prepare(client, tenantId, wanted);
    await client.query(files.map((file) => probeStatement(file, format)).join(';'));
    const stream = (statement: string, walks: boolean) => {
      // In the order in which they are asked for; where this one fails the COPY after it says so.
      client.query(planAs(walks)).catch(faults.note);
      const rows = client.query(copyTo(statement));
      // A reader that leaves destroys this stream with its own error: that is not the database's.
      rows.on('error', (error) => {
        if (!rows.destroyed) faults.note(error);
      });
      return rows;
    };
    return {
      tenant,
      asOf,
      stretch,
      ownership,
      copy: (file) => stream(copyStatement(file, format), file.walks ?? false),
      copyLeafHashes: () => stream(COPY_LEAF_HASHES, true),
      async findSpan(file) {
        await client.query(planAs(file.walks ?? false));
        const rows = await runLong<{ first: string | null; last: string | null }>(
          client,
          spanStatement(file),
        );
        const [{ first, last } = { first: null, last: null }] = rows;
        return first === null || last === null
          ? undefined
          : { first: Number(first), last: Number(last) };
      },
      prove: () => gatherProofs(client, tenantId, stretch),
      countByWeek: () => countByWeek(client),
      async close() {
        await client.query('COMMIT');
        release(false);
      },
      abort: () => release(true),
      fault: faults.first,
    };
  } catch (error) {
    release(true);
    throw error;
  }
}

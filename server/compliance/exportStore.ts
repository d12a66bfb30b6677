import type { Readable } from 'node:stream';
import type { Pool, PoolClient } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { SECURITY_EVENT_ACTIONS } from '../audit';
import { findOwnership } from '../schema/roles/findOwnership';
import { isoTime } from '../db/isoTime';
import { runLong } from '../db/runLong';
import { scopeToTenant } from '../db/tenantScope';
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

/** A consistent view of a tenant's data, on a dedicated connection. */
export interface ExportSnapshot {
  readonly tenant: ExportedTenant;
  /** ISO 8601, UTC. The snapshot has everything that was committed before this time. */
  readonly asOf: string;
  /** The part of the tenant's log that holds the range. */
  readonly stretch: Stretch;
  /** The ways in which the serving role could undo the audit log; empty if it could not. */
  readonly ownership: readonly string[];
  /** Streams the rows of a file, as the database formats them. Copy one file at a time, and read each to its end. */
  copy(file: ExportFile): Readable;
  /** Streams the hashes of the stretch's leaves, in base64, a line each. */
  copyLeafHashes(): Readable;
  /** Returns the first and the last leaf of a file's rows; undefined if there are no rows. */
  findSpan(file: ExportFile): Promise<LeafSpan | undefined>;
  /** @throws AppError AUDIT_LOG_BROKEN */
  prove(): Promise<BundleProofs>;
  countByWeek(): Promise<WeekCount[]>;
  /** Ends the transaction and releases the connection. */
  close(): Promise<void>;
  /** Drops the connection, and with it any COPY that still runs on it. Harmless after close. */
  abort(): void;
  /** Returns the first error of the database since the snapshot was taken, if there was any. */
  fault(): Error | undefined;
}

/**
 * An export may take longer than a request is allowed to. It holds no lock that others wait for, except changes of
 * the schema; and it does not wait long for those.
 */
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL statement_timeout = 0;
  SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL lock_timeout = '5s';
  SET LOCAL timezone = 'UTC'`;

/** The first statement that reads. It takes the snapshot, just after the time that it returns. */
const TAKE_SNAPSHOT = `SELECT ${isoTime('statement_timestamp()')} AS as_of`;

/** A lock that shows every node that the export is alive, as long as its snapshot is; see deadExportStore.ts. */
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
/** The settings by which the planner decides whether a second process is worth its start. */
const COSTS = ['parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_index_scan_size'];
const setAll = (names: readonly string[], value: string) =>
  names.map((name) => `SET LOCAL ${name} = ${value}`).join('; ');
/**
 * Rows that are read along an index must not be gathered and sorted first, whatever the planner guesses about
 * settings that it cannot see. The database is the slowest part of an export, so a second process formats half of the
 * rows, if the database has one to spare.
 */
const WALK = `${setAll(PLANS, 'off')}; ${setAll(COSTS, '0')}; SET LOCAL max_parallel_workers_per_gather = 1`;
const LOOK_UP = `${setAll(PLANS, 'on')}; ${setAll(COSTS, 'DEFAULT')}; SET LOCAL max_parallel_workers_per_gather = 0`;
const planAs = (walks: boolean): string => (walks ? WALK : LOOK_UP);

async function prepare(
  client: PoolClient,
  tenantId: string,
  { exportId, range }: { exportId: string; range: TimeRange },
) {
  await client.query(`${BEGIN};
  ${scopeToTenant(tenantId)}`);
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

/** Watches a connection: an error without a listener would end the process. */
function watchFaults(client: PoolClient) {
  let first: Error | undefined;
  const note = (error: Error) => {
    first ??= error;
  };
  client.on('error', note);
  return { note, first: () => first };
}

/**
 * Returns a function that releases the connection once: clean, or to be closed because a statement may still run on
 * it.
 */
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
 * Takes a dedicated connection and one repeatable-read snapshot on it, and checks that every file can be read. An
 * export that cannot succeed fails here, while the caller can still get an error response.
 * @throws the driver's error if the database is unreachable or lacks a table; AppError NOT_FOUND if the tenant does
 * not exist
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
      // The connection runs statements in order; if this one fails, the COPY after it reports the failure.
      client.query(planAs(walks)).catch(faults.note);
      const rows = client.query(copyTo(statement));
      // A reader that leaves destroys this stream with its own error, which is not one of the database.
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

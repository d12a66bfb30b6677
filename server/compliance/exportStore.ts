import type { Readable } from 'node:stream';
import type { Pool, PoolClient } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { SECURITY_EVENT_ACTIONS } from '../audit';
import { AppError } from '../errors';
import { copyStatement, probeStatement } from './exportFileStore';
import type { ExportFile, SnapshotSetting } from './exportFileStore';
import type { ExportFormat, TimeRange } from './exportInput';

export interface ExportedTenant {
  id: string;
  slug: string;
  name: string;
}

/** One consistent view of a tenant's data, on a connection of its own. */
export interface ExportSnapshot {
  readonly tenant: ExportedTenant;
  /** ISO 8601, UTC: everything committed before it is in the snapshot. */
  readonly asOf: string;
  /** The rows of a file, as the database formats them. One at a time, each read to its end. */
  copy(file: ExportFile): Readable;
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
const TAKE_SNAPSHOT = `SELECT
  set_config('gatehouse.tenant_id', $1, true),
  set_config('gatehouse.range_start', $2, true),
  set_config('gatehouse.range_end', $3, true),
  set_config('gatehouse.security_actions', $4, true),
  to_char(statement_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS as_of`;

const READ_TENANT = 'SELECT id, slug, name FROM tenants WHERE id = $1';

async function prepare(client: PoolClient, values: Record<SnapshotSetting, string>) {
  await client.query(BEGIN);
  const taken = await client.query<{ as_of: string }>(TAKE_SNAPSHOT, [
    values.tenant_id,
    values.range_start,
    values.range_end,
    values.security_actions,
  ]);
  const found = await client.query<ExportedTenant>(READ_TENANT, [values.tenant_id]);
  const tenant = found.rows[0];
  if (!tenant) throw new AppError('NOT_FOUND', { detail: 'No such tenant.' });
  return { asOf: taken.rows[0]?.as_of ?? '', tenant };
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
  wanted: { range: TimeRange; format: ExportFormat; files: readonly ExportFile[] },
): Promise<ExportSnapshot> {
  const { range, format, files } = wanted;
  const client = await pool.connect();
  const faults = watchFaults(client);
  const release = releaseOnce(client, faults.note);
  try {
    const { asOf, tenant } = await prepare(client, {
      tenant_id: tenantId,
      range_start: range.start.toISOString(),
      range_end: range.end.toISOString(),
      security_actions: SECURITY_EVENT_ACTIONS.join(','),
    });
    await client.query(files.map((file) => probeStatement(file, format)).join(';'));
    return {
      tenant,
      asOf,
      copy(file) {
        const rows = client.query(copyTo(copyStatement(file, format)));
        // A reader that leaves destroys this stream with its own error: that is not the database's.
        rows.on('error', (error) => {
          if (!rows.destroyed) faults.note(error);
        });
        return rows;
      },
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

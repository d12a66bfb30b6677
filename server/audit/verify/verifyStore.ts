import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Client, TypeOverrides } from 'pg';
import { isRowId } from '../../db/ids';
import { isoTime } from '../../db/isoTime';
import type { Json } from '../../../tlog/canonicalJson';
import { EVENT_COLUMNS } from '../log/sealerStore';
import { findForeignNumber } from './jsonNumbers';
import { RowStream } from './rowStream';
import type { UnsealedRow } from './unsealed';
import type { CheckpointRow, LeafRow, LogStreams, NodeRow, TreeRow } from './walkLogs';

const CONNECT_MS = 10_000;
/** More keys than will ever sign here. These keys are recognised but not trusted. */
const MOST_KEYS = 1000;

/** The text of a json or jsonb column as Postgres writes it: parsing it would lose the form of its numbers. */
class JsonText {
  constructor(readonly text: string) {}
}

/** The type ids of json and jsonb. */
const JSON_TYPES = [114, 3802];
/** Reads all other types as the driver does. */
const readTypes = new TypeOverrides();
for (const type of JSON_TYPES) readTypes.setTypeParser(type, (text: string) => new JsonText(text));

/** Opens a separate connection without a statement timeout: the whole log is read in one transaction. */
export async function openClient(url: string): Promise<Client> {
  const client = new Client({
    connectionString: url,
    types: readTypes,
    application_name: 'gatehouse verify-log',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  // If the connection breaks while idle, the next query reports it.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/**
 * Begins the reading transaction, which sees one moment. Queries name tables with their schema, and the search path
 * has only the catalogue, so that no schema, temporary table or function of an attacker is used instead.
 */
export async function begin(client: Client): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await client.query(
    `SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0;
     SET LOCAL lock_timeout = '30s'; SET LOCAL timezone = 'UTC'; SET LOCAL jit = off`,
  );
}

const rowsOf = async <Row extends object>(client: Client, text: string, values?: unknown[]) =>
  (await client.query<Row>(text, values)).rows;

/** Reads the keys that the database stores. */
export async function readStoredKeys(client: Client): Promise<KeyObject[]> {
  const rows = await rowsOf<{ public_key: string }>(
    client,
    `SELECT public_key FROM ONLY public.evidence_keys ORDER BY first_used_at, key_id LIMIT ${MOST_KEYS}`,
  );
  return rows.flatMap(({ public_key: pem }) => {
    try {
      const key = createPublicKey(pem);
      return key.asymmetricKeyType === 'ed25519' ? [key] : [];
    } catch {
      return [];
    }
  });
}

/** The sealer's state in the snapshot. */
export interface SealerView {
  now: string;
  /** The whole row as text, by which a later look sees whether the sealer has moved; null if there is none. */
  state: string | null;
  /** Whether the sealer is in the middle of a pass of several steps. */
  busy: boolean;
  /** Whether that pass began more than a minute ago. */
  slow: boolean;
  /** Whether the database is a copy in another cluster than the one that was sealed in. */
  moved: boolean;
  /** How many leaves are to be read, according to the trees. */
  leaves: string;
}

/** @param log the id of the one log to read; undefined for all */
export async function readSealer(client: Client, log: string | undefined): Promise<SealerView> {
  const [row] = await rowsOf<SealerView>(
    client,
    `SELECT ${isoTime('now()')} AS now, s::text AS state, s.target IS NOT NULL AS busy,
       coalesce(s.target_at < now() - interval '1 minute', false) AS slow, coalesce(s.cluster <> c.system_identifier::text, false) AS moved,
       (SELECT coalesce(sum(size), 0)::text FROM ONLY public.audit_trees WHERE log_id = $1 OR $1::uuid IS NULL) AS leaves
     FROM pg_control_system() c LEFT JOIN ONLY public.audit_sealer s ON true LIMIT 1`,
    [log ?? null],
  );
  return row as SealerView;
}

/** @returns the id of the tenant with that slug, or of the log with that id */
export async function findLog(client: Client, named: string): Promise<string | undefined> {
  if (isRowId(named)) return named.toLowerCase();
  const rows = await rowsOf<{ id: string }>(
    client,
    'SELECT id FROM ONLY public.tenants WHERE slug = $1',
    [named],
  );
  return rows[0]?.id;
}

/**
 * Declares a cursor that is read page by page. The open transaction's snapshot has every row as it was at one moment.
 */
async function declare<Row>(
  client: Client,
  { name, text, page }: { name: string; text: string; page: number },
): Promise<() => Promise<Row[]>> {
  await client.query(`DECLARE ${name} NO SCROLL CURSOR FOR ${text}`);
  return async () => (await client.query(`FETCH ${page} FROM ${name}`)).rows as Row[];
}

/** Reads the events without a leaf. @param log the id of a log, validated before */
export function readUnsealed(client: Client, log: string | undefined) {
  const only = log === undefined ? '' : `AND ${eventsOf(log)}`;
  return declare<UnsealedRow>(client, {
    name: 'unsealed',
    page: 1000,
    text: `SELECT e.id, e.tenant_id, ${isoTime('e.occurred_at')} AS occurred_at,
        e.occurred_at < now() - interval '1 minute' AS overdue, e.occurred_at > now() + interval '5 minutes' AS ahead,
        CASE WHEN s.cluster = c.system_identifier::text THEN pg_visible_in_snapshot(e.transaction_id, s.sealed)
          OR coalesce(pg_visible_in_snapshot(e.transaction_id, s.target)
            AND (e.transaction_id, e.id) <= (s.after_transaction, s.after_id), false) END AS passed
      FROM ONLY public.audit_logs e CROSS JOIN pg_control_system() c LEFT JOIN ONLY public.audit_sealer s ON true
      WHERE NOT EXISTS (SELECT FROM ONLY public.audit_leaves l WHERE l.event_id = e.id) ${only}
      ORDER BY e.id`,
  });
}

const eventsOf = (log: string): string =>
  `(e.tenant_id = '${log}' OR (e.tenant_id IS NULL AND EXISTS
     (SELECT FROM ONLY public.audit_trees t WHERE t.log_id = '${log}' AND t.tenant_id IS NULL)))`;

/** Converts big integers, which come as text. As numbers they are exact for any real size of a log. */
const numbered =
  <Row extends object>(read: () => Promise<Row[]>, ...names: (keyof Row)[]) =>
  async (): Promise<Row[]> => {
    const rows = await read();
    for (const row of rows) for (const name of names) row[name] = Number(row[name]) as never;
    return rows;
  };

/**
 * Checks the form of the numbers before the details are parsed. A column that is no longer json or jsonb is left as
 * it is.
 */
const withDetails = (read: () => Promise<LeafRow[]>) => async (): Promise<LeafRow[]> =>
  (await read()).map((row) => {
    const details: unknown = row.details;
    if (!(details instanceof JsonText)) return { ...row, foreign_number: undefined };
    const { text } = details;
    return { ...row, details: JSON.parse(text) as Json, foreign_number: findForeignNumber(text) };
  });

/** @param log the id of the one log to read, validated before; undefined for all */
export async function openStreams(client: Client, log: string | undefined): Promise<LogStreams> {
  const only = (table: string) => (log === undefined ? '' : `WHERE ${table}.log_id = '${log}'`);
  // Forces the use of the keys' indexes, in their order. With missing or outdated statistics, a plan could sort the
  // table first.
  await client.query(
    'SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off; SET LOCAL cursor_tuple_fraction = 0.0001',
  );
  const trees = await declare<TreeRow>(client, {
    name: 'trees',
    page: 500,
    text: `SELECT t.log_id, t.tenant_id, t.size, t.peaks, t.checkpoint_size FROM ONLY public.audit_trees t ${only('t')} ORDER BY t.log_id`,
  });
  const isCommonEra = (column: string) =>
    `${column} >= '0001-01-01Z'::timestamptz AND ${column} < '10000-01-01Z'::timestamptz`;
  const leaves = await declare<LeafRow>(client, {
    name: 'leaves',
    page: 500,
    text: `SELECT l.log_id, l.leaf_index, l.event_id, l.leaf_hash, ${isoTime('l.sealed_at')} AS sealed_at, ${EVENT_COLUMNS},
        ${isCommonEra('l.sealed_at')} AND ${isCommonEra('e.occurred_at')} AS common_era
      FROM ONLY public.audit_leaves l LEFT JOIN ONLY public.audit_logs e ON e.id = l.event_id ${only('l')} ORDER BY l.log_id, l.leaf_index`,
  });
  const nodes = await declare<NodeRow>(client, {
    name: 'nodes',
    page: 2000,
    text: `SELECT n.log_id, n.level, n.node_index AS index, n.hash FROM ONLY public.audit_nodes n ${only('n')}
      ORDER BY n.log_id, (n.node_index::numeric + 1) * 2::numeric ^ n.level::numeric, n.level, n.node_index`,
  });
  const checkpoints = await declare<CheckpointRow>(client, {
    name: 'checkpoints',
    page: 1000,
    text: `SELECT c.log_id, c.id::text, c.size, c.root_hash, c.note FROM ONLY public.audit_checkpoints c ${only('c')} ORDER BY c.log_id, c.size, c.id`,
  });
  return {
    trees: await RowStream.open(numbered(trees, 'size', 'checkpoint_size')),
    leaves: await RowStream.open(numbered(withDetails(leaves), 'leaf_index')),
    nodes: await RowStream.open(numbered(nodes, 'index')),
    checkpoints: await RowStream.open(numbered(checkpoints, 'size')),
  };
}

/**
 * Looks again later, in a transaction of its own. Returns how many of these events still have no leaf, and the
 * sealer's state.
 */
export async function lookAgain(
  client: Client,
  ids: readonly string[],
): Promise<{ left: number; state: string | null; busy: boolean }> {
  const [row] = await rowsOf<{ left: number; state: string | null; busy: boolean }>(
    client,
    `SELECT (SELECT count(*)::int FROM unnest($1::uuid[]) wanted (id)
         WHERE NOT EXISTS (SELECT FROM ONLY public.audit_leaves l WHERE l.event_id = wanted.id)) AS "left",
       s::text AS state, s.target IS NOT NULL AS busy
     FROM (VALUES (1)) one LEFT JOIN ONLY public.audit_sealer s ON true LIMIT 1`,
    [ids],
  );
  return row ?? { left: ids.length, state: null, busy: false };
}

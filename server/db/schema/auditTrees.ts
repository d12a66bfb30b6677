import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  index,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, instant, snapshot, transactionId } from './columns';

const count = (name: string) => bigint(name, { mode: 'number' });

/**
 * One RFC 6962 Merkle tree for each tenant, and one for the events of no tenant. No foreign keys here, as in `audit_logs`:
 * evidence outlives what it is about.
 */
export const auditTrees = pgTable(
  'audit_trees',
  {
    /** The log: the tenant's id; of the tree of no tenant an id of its own, since it must be unlike that of any other database. */
    logId: uuid('log_id').primaryKey(),
    tenantId: uuid('tenant_id'),
    /** Leaves. */
    size: count('size').notNull().default(0),
    /** The roots of the complete subtrees that the tree is made of, the largest first, 32 bytes each. */
    peaks: bytea('peaks').notNull(),
    /** The size at which the newest checkpoint was signed. */
    checkpointSize: count('checkpoint_size').notNull().default(0),
  },
  (table) => [
    uniqueIndex('audit_trees_of_no_tenant')
      .on(sql`(${table.tenantId} IS NULL)`)
      .where(sql`${table.tenantId} IS NULL`),
    index('idx_audit_trees_unsigned')
      .on(table.logId)
      .where(sql`${table.size} > ${table.checkpointSize}`),
  ],
);

/** The place of each event in its tree. Append-only. */
export const auditLeaves = pgTable(
  'audit_leaves',
  {
    logId: uuid('log_id').notNull(),
    leafIndex: count('leaf_index').notNull(),
    eventId: uuid('event_id').notNull(),
    /** The database's clock when the events of this pass were looked for; part of what is hashed. */
    sealedAt: instant('sealed_at').notNull(),
    leafHash: bytea('leaf_hash').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.logId, table.leafIndex] }),
    unique('audit_leaves_event_id_unique').on(table.eventId),
  ],
);

/** Roots of complete subtrees of 16, 256, 4096, … leaves: what lies between is few hashes away. Append-only. */
export const auditNodes = pgTable(
  'audit_nodes',
  {
    logId: uuid('log_id').notNull(),
    /** The subtree has 2^level leaves: 4, 8, 12, … */
    level: smallint('level').notNull(),
    /** Counted from the left; it begins at leaf `node_index * 2^level`. */
    nodeIndex: count('node_index').notNull(),
    hash: bytea('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.logId, table.level, table.nodeIndex] })],
);

/** Signed heads (C2SP tlog-checkpoint), in the order in which they were signed. Append-only. */
export const auditCheckpoints = pgTable(
  'audit_checkpoints',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    logId: uuid('log_id').notNull(),
    size: count('size').notNull(),
    rootHash: bytea('root_hash').notNull(),
    /** The signed note, as it is handed out. */
    note: text('note').notNull(),
    signedAt: instant('signed_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (table) => [unique('audit_checkpoints_size_unique').on(table.logId, table.size)],
);

/** One row: how far the sealer has come. */
export const auditSealer = pgTable(
  'audit_sealer',
  {
    only: boolean('only').primaryKey().default(true),
    /** All that was visible in this snapshot is sealed. */
    sealed: snapshot('sealed').notNull(),
    /** What is being sealed, where it takes more than one transaction: all that is visible here, after this row. */
    target: snapshot('target'),
    targetAt: instant('target_at'),
    afterTransaction: transactionId('after_transaction'),
    afterId: uuid('after_id'),
    /** Of the cluster whose transaction numbers these are: a dump that was restored into another has others. */
    cluster: text('cluster').notNull(),
  },
  (table) => [check('audit_sealer_only', sql`${table.only}`)],
);

/** Public halves of every key that has ever signed evidence here. Append-only. */
export const evidenceKeys = pgTable('evidence_keys', {
  keyId: text('key_id').primaryKey(),
  /** PEM. */
  publicKey: text('public_key').notNull(),
  firstUsedAt: instant('first_used_at')
    .notNull()
    .default(sql`clock_timestamp()`),
});

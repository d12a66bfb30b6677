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
 * One RFC 6962 Merkle tree for each tenant, and one for the events of no tenant. There are no
 * foreign keys, as in `audit_logs`, because evidence must outlive its subjects.
 */
export const auditTrees = pgTable(
  'audit_trees',
  {
    /**
     * The id of the log: the tenant's id. The tree of no tenant has a random id, because it must
     * differ from that of any other database.
     */
    logId: uuid('log_id').primaryKey(),
    tenantId: uuid('tenant_id'),
    /** The number of leaves. */
    size: count('size').notNull().default(0),
    /**
     * The roots of the complete subtrees that the tree consists of, the largest first, 32 bytes
     * each.
     */
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
    /**
     * The database's clock when the events of this pass were read; it is part of the hashed entry.
     */
    sealedAt: instant('sealed_at').notNull(),
    leafHash: bytea('leaf_hash').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.logId, table.leafIndex] }),
    unique('audit_leaves_event_id_unique').on(table.eventId),
  ],
);

/**
 * Roots of complete subtrees of 16, 256, 4096, … leaves. Any other subtree can be computed from a
 * few hashes. Append-only.
 */
export const auditNodes = pgTable(
  'audit_nodes',
  {
    logId: uuid('log_id').notNull(),
    /** The subtree has 2^level leaves, with level 4, 8, 12, … */
    level: smallint('level').notNull(),
    /** Counted from the left. The subtree begins at leaf `node_index * 2^level`. */
    nodeIndex: count('node_index').notNull(),
    hash: bytea('hash').notNull(),
  },
  (table) => [primaryKey({ columns: [table.logId, table.level, table.nodeIndex] })],
);

/** Checkpoints (C2SP tlog-checkpoint), in the order in which they were signed. Append-only. */
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

/** One row: the progress of the sealer. */
export const auditSealer = pgTable(
  'audit_sealer',
  {
    only: boolean('only').primaryKey().default(true),
    /** All events that were visible in this snapshot are sealed. */
    sealed: snapshot('sealed').notNull(),
    /**
     * The target of a pass that takes more than one transaction: all events that are visible in
     * this snapshot. The pass continues after the event in the following columns.
     */
    target: snapshot('target'),
    targetAt: instant('target_at'),
    afterTransaction: transactionId('after_transaction'),
    afterId: uuid('after_id'),
    /**
     * The cluster to which these transaction ids belong. A dump that was restored into another
     * cluster gets new ones.
     */
    cluster: text('cluster').notNull(),
  },
  (table) => [check('audit_sealer_only', sql`${table.only}`)],
);

/** The public half of every key that ever signed evidence here. Append-only. */
export const evidenceKeys = pgTable('evidence_keys', {
  keyId: text('key_id').primaryKey(),
  /** In PEM form. */
  publicKey: text('public_key').notNull(),
  firstUsedAt: instant('first_used_at')
    .notNull()
    .default(sql`clock_timestamp()`),
});

import type { Client } from 'pg';
import type { Provenance } from './ledger';

/** A migration that this run applied. */
export interface AppliedMigration {
  tag: string;
  /** SHA-256 of its file in hex. */
  hash: string;
  durationMs: number;
}

/** The progress of a migration of single statements. */
export interface BegunMigration {
  tag: string;
  /** How many statements are finished. */
  done: number;
  /** An index that is unfinished and could not be dropped. */
  brokenIndex?: string | undefined;
}

/** The state that the parts of one migration run share. */
export interface Run {
  /** The connection that holds the migration lock, and stays idle. */
  readonly holder: Client;
  /** The connection that does the work. */
  readonly worker: Client;
  readonly provenance: Provenance;
  readonly correlationId: string;
  readonly actor: string;
  readonly ticket: string | undefined;
  /** The committed migrations. */
  applied: AppliedMigration[];
  /** The committed part of a migration of single statements that is not applied yet. */
  begun?: BegunMigration | undefined;
  /** Those of `applied` that have no audit event yet, because the audit log could not hold one. */
  unaudited: AppliedMigration[];
}

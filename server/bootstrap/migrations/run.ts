import type { Client } from 'pg';
import type { Provenance } from './ledger';

/** A migration that this run applied. */
export interface AppliedMigration {
  tag: string;
  /** SHA-256 of its file in hex. */
  hash: string;
  durationMs: number;
}

/** How far a migration of single statements has come. */
export interface BegunMigration {
  tag: string;
  /** How many statements are finished. */
  done: number;
  /** An index that was left unfinished, and could not be dropped. */
  brokenIndex?: string | undefined;
}

/** What the parts of one migration run share. */
export interface Run {
  /** Holds the migration lock, and stays idle. */
  readonly holder: Client;
  /** Does the work. */
  readonly worker: Client;
  readonly provenance: Provenance;
  readonly correlationId: string;
  readonly actor: string;
  readonly ticket: string | undefined;
  /** What is committed. */
  applied: AppliedMigration[];
  /** What is committed of a migration of single statements that is not applied yet. */
  begun?: BegunMigration | undefined;
  /** What of `applied` the audit log does not hold yet, since it could not be written. */
  unaudited: AppliedMigration[];
}

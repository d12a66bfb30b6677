import type { Client } from 'pg';
import type { Provenance } from './ledger';

/** A migration that this run applied. */
export interface AppliedMigration {
  tag: string;
  /** SHA-256 of its file in hex. */
  hash: string;
  durationMs: number;
}

/** What the parts of one migration run share. */
export interface Run {
  /** Holds the migration lock, and stays idle. */
  readonly holder: Client;
  /** Does the work. */
  readonly worker: Client;
  readonly provenance: Provenance;
  readonly correlationId: string;
  /** What is committed. */
  applied: AppliedMigration[];
  /** What of it the audit log does not hold yet, since it could not be written. */
  unaudited: AppliedMigration[];
}

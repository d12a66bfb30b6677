import type { Readable, Writable } from 'node:stream';
import type { Principal } from '../context';
import type { Passage } from '../http/passage';
import type { ExportFile } from './copyStore';
import type { ComplianceDeps } from './deps';
import type { ExportSnapshot } from './exportStore';

export type ExportDeps = Pick<
  ComplianceDeps,
  | 'config'
  | 'clock'
  | 'db'
  | 'pool'
  | 'random'
  | 'logger'
  | 'metrics'
  | 'keys'
  | 'mail'
  | 'riskPolicies'
  | 'sealer'
>;

/** The person who exports, and their proof, which is valid for this export only. */
export interface Exporter {
  principal: Principal;
  passage: Passage;
}

export interface ExportHeaders {
  contentType: string;
  filename: string;
}

/** The destination of an export. Until `begin` is called, an error can still become an error response. */
export interface ExportSink {
  begin(headers: ExportHeaders): Writable;
}

/** The parts that are ready before anything is sent. */
export interface StartedExport {
  /** The rows of the first file; the database has begun to send them. */
  readonly firstRows: Readable;
  /** Records that the export is complete. It is called once, before the last bytes are sent. */
  readonly seal: (result: ExportResult) => Promise<void>;
}

export interface ExportPlan {
  readonly kind: 'bundle' | 'security_events';
  /** In the order in which they are read. */
  readonly files: readonly [ExportFile, ...ExportFile[]];
  headers(snapshot: ExportSnapshot): ExportHeaders;
  /** Reads what must be known before the first byte. @returns the function that streams the export */
  prepare(snapshot: ExportSnapshot, exportId: string): Promise<WriteExport>;
}

/** Streams everything, closes the snapshot and seals; returns once the output has everything. */
export type WriteExport = (started: StartedExport, output: Writable) => Promise<void>;

export interface ExportResult {
  readonly files: readonly { name: string; rows: number | null }[];
  readonly bytes: number;
  /** Only for a bundle: the signed head of the log that the bundle is proven against. */
  readonly checkpoint?: { size: number; rootHash: string };
}

import type { ExportFile } from './copyStore';
import {
  AUDIT_LOG,
  DATA_EXPORTS,
  EDGES,
  IMPERSONATIONS,
  IP_RULES,
  SCHEMA_CHANGES,
  SCHEMA_HEALTH,
  SECURITY_EVENTS,
} from './eventFileStore';
import { PERMISSION_CHANGES } from './permissionChangeStore';
import { JOINERS_LEAVERS } from './staffChangeStore';
import { ACCESS_REVIEW } from './staffFileStore';
import { RISK_DECISIONS, SESSIONS, STEP_UPS, TOKEN_REVOCATIONS } from './stateFileStore';

/** The files of the log, in the order of a bundle. The edges come first, because they are few. */
export const LOG_FILES: readonly [ExportFile, ...ExportFile[]] = [EDGES, AUDIT_LOG];

/** The files that are read from the same snapshot after the proofs. */
export const TABLE_FILES: readonly ExportFile[] = [
  SECURITY_EVENTS,
  ACCESS_REVIEW,
  JOINERS_LEAVERS,
  PERMISSION_CHANGES,
  SESSIONS,
  TOKEN_REVOCATIONS,
  RISK_DECISIONS,
  STEP_UPS,
  IP_RULES,
  IMPERSONATIONS,
  DATA_EXPORTS,
  SCHEMA_CHANGES,
  SCHEMA_HEALTH,
];

import { APP_EVENTS, APP_EVENT_TYPES } from './appEventFileStore';
import { API_KEYS_FILE } from './apiKeyFileStore';
import { fileName } from './copyStore';
import type { BundleFile, ExportFile } from './copyStore';
import { DOMAINS } from './domainFileStore';
import {
  AUDIT_LOG,
  DATA_EXPORTS,
  EDGES,
  IMPERSONATIONS,
  SCHEMA_CHANGES,
  SCHEMA_HEALTH,
  SECURITY_EVENTS,
} from './eventFileStore';
import type { ExportFormat } from './exportInput';
import { INVITATIONS_FILE } from './invitationFileStore';
import { IP_RULES } from './ipRuleFileStore';
import { PERMISSION_CHANGES } from './permissionChangeStore';
import { ROLE_DEFINITIONS } from './roleFileStore';
import { SSO_CONNECTIONS } from './ssoConnectionFileStore';
import { JOINERS_LEAVERS } from './staffChangeStore';
import { ACCESS_REVIEW } from './staffFileStore';
import { RISK_DECISIONS, SESSIONS, STEP_UPS, TOKEN_REVOCATIONS } from './stateFileStore';
import { TEXT_FILES } from './textFiles';

/**
 * Increased with every change of the list of files, of the actions of a view or of a table of events, or of the
 * definition of a stretch. The verifier has the list of each format, and rejects a manifest that lacks one of its files. (The name `format` was
 * taken: it is the format of the logs.)
 */
export const BUNDLE_FORMAT = 8;

/** The files of the log, in the order of a bundle. The edges come first, because they are few. */
export const LOG_FILES: readonly [ExportFile, ...ExportFile[]] = [EDGES, AUDIT_LOG];

/** The files that are read from the same snapshot after the proofs. */
export const TABLE_FILES: readonly ExportFile[] = [
  SECURITY_EVENTS,
  ACCESS_REVIEW,
  JOINERS_LEAVERS,
  PERMISSION_CHANGES,
  ROLE_DEFINITIONS,
  INVITATIONS_FILE,
  API_KEYS_FILE,
  APP_EVENTS,
  APP_EVENT_TYPES,
  SESSIONS,
  TOKEN_REVOCATIONS,
  RISK_DECISIONS,
  STEP_UPS,
  IP_RULES,
  DOMAINS,
  SSO_CONNECTIONS,
  IMPERSONATIONS,
  DATA_EXPORTS,
  SCHEMA_CHANGES,
  SCHEMA_HEALTH,
];

/** Returns every file of a bundle in its order, with its name in the format that was asked for. */
export function describeBundle(format: ExportFormat): readonly BundleFile[] {
  const named = (file: ExportFile): BundleFile => ({ ...file, name: fileName(file, format) });
  const { readme, leafHashes, leaves, checkpoint, consistency } = TEXT_FILES;
  const { controls, summary, manifest, signature } = TEXT_FILES;
  return [
    readme,
    ...LOG_FILES.map(named),
    ...[leafHashes, leaves, checkpoint, consistency],
    ...TABLE_FILES.map(named),
    ...[controls, summary, manifest, signature],
  ];
}

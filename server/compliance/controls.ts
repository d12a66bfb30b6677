import type { ExportFormat } from './exportInput';

/**
 * A criterion of the Trust Services Criteria (AICPA, 2017, with the points of focus of 2022), with a file that
 * answers it.
 */
export interface Control {
  readonly criterion: string;
  /** A short form of the criterion. */
  readonly asks: string;
  readonly file: string;
  readonly lookFor: string;
  /** The questions that the file cannot answer. */
  readonly limits: string;
}

const CRITERIA = {
  'CC6.1':
    'Logical access: only those who are known and authorised get in, and what they use to get in is protected.',
  'CC6.2': 'Accounts are given to those who were authorised, and taken away when that ends.',
  'CC6.3': 'Access follows roles and duties, is as little as they need, and is reviewed.',
  'CC6.6': 'What comes from outside the boundary is guarded against.',
  'CC6.7': 'Data that leaves is moved by those who may, and the move is recorded.',
  'CC7.2': 'Systems are watched for anomalies, and what is found is analysed.',
  'CC7.3': 'Security events are evaluated, and acted upon where they are incidents.',
  'CC8.1': 'Changes are authorised, tested, recorded and applied as approved.',
} as const;

const control = (
  criterion: keyof typeof CRITERIA,
  file: string,
  lookFor: string,
  limits: string,
): Control => ({ criterion, asks: CRITERIA[criterion], file, lookFor, limits });

const OF_GATEHOUSE = 'Sign-ins and sessions that Gatehouse guards; not those of other systems.';

/** The rows of controls.csv. `{log}` stands for the extension of the logs. */
export const CONTROLS: readonly Control[] = [
  control(
    'CC6.1',
    'access-review.csv',
    'Take every person with status active: is there a second factor in "factors"? Take a sample: are they known to the organisation? Accounts with an old or empty last_sign_in_at are candidates for removal.',
    "Whether somebody should have access is the organisation's to say.",
  ),
  control(
    'CC6.1',
    'sessions.csv',
    'Every session that was alive: that it ended, when and why (revoke_reason). A session of somebody who had left by then is a finding.',
    'A session whose revoke_reason is empty and whose expires_at has passed ended by itself.',
  ),
  control(
    'CC6.1',
    'token-revocations.csv',
    'Reasons other than rotation: reuse_detected is a refresh token that came back after it was used, that is a theft or a broken client; each must have ended its family at once.',
    'Rotation is the ordinary life of a token and makes up most rows.',
  ),
  control(
    'CC6.1',
    'step-ups.csv',
    'That sensitive purposes asked for a second proof, and how often it was not given (outcome not_verified or exhausted).',
    'Whether the person at the other end was the right one.',
  ),
  control(
    'CC6.1',
    'risk-decisions.csv',
    'That logins and refreshes were scored, with reasons; rows with "skipped" were let through without a score: ask why, and how long that lasted.',
    'Rows are kept for a time that the operator sets; the events of what was decided are in audit-log for good.',
  ),
  control(
    'CC6.2',
    'joiners-leavers.csv',
    "First the rows with record 'unrecorded': somebody changed a membership in the database itself. Then take joiners: is there an approval for each? Take leavers: compare with the list of those who left, and look at minutes_to_revocation.",
    'Leaving is when the account was disabled here. When employment ended is in the personnel records.',
  ),
  control(
    'CC6.2',
    'access-review.csv',
    'Nobody who left the organisation before the end of the range may have status active.',
    'The state at the end of the range, or at the export where that was earlier.',
  ),
  control(
    'CC6.3',
    'permission-changes.csv',
    "First the rows with change 'unrecorded': somebody changed permissions in the database itself. Then for a sample of changes: who made it (actor; a ticket is in the details of the event), was it approved, and is what was added needed for the role?",
    "What a permission allows is the product's to explain.",
  ),
  control(
    'CC6.3',
    'access-review.csv',
    'The permissions of each person against their role; those with SETTINGS_SECURITY_EDIT and SETTINGS_SECURITY_VIEW first.',
    'Roles are not known here, only permissions.',
  ),
  control(
    'CC6.3',
    'impersonations.csv',
    'Each time that somebody acted as somebody else: who, for whom, how long, why. No rows mean that it did not happen.',
    OF_GATEHOUSE,
  ),
  control(
    'CC6.6',
    'ip-rules.csv',
    'Each change of a rule on where one may sign in from, who made it, and whether it was approved. No rows mean that no rule was changed.',
    'Rules as they were changed, not as they stand.',
  ),
  control(
    'CC6.7',
    'data-exports.csv',
    'Who took data out, which range, and whether it was completed. Every completed export was preceded by a fresh second proof: find its STEP_UP_VERIFIED with purpose data_export in audit-log.',
    'Exports of this evidence alone: what other parts of the product export is theirs to record.',
  ),
  control(
    'CC7.2',
    'audit-log.{log}',
    'The complete population: sample from it, by leaf_index. The verifier proves that none is missing, changed or in another place.',
    'What Gatehouse records. What was never recorded cannot be proven.',
  ),
  control(
    'CC7.2',
    'security-events.{log}',
    'The events that deserve a look: suspicious logins, ended sessions, impersonations, IP rules, step-ups, refreshes.',
    'A filtered view of audit-log and no source of its own; the verifier checks that it is exactly that.',
  ),
  control(
    'CC7.2',
    'risk-decisions.csv',
    'High scores and their reasons; that those above the policy\'s limits were challenged or blocked (outcome). "monitored" means that the policy only watched.',
    'How good the scores are: verdicts of people are in the last columns.',
  ),
  control(
    'CC7.2',
    'summary.html',
    'Sign-ins, failures, challenges, blocks and exports by week: what stands out is worth a sample in audit-log.',
    'Counts alone.',
  ),
  control(
    'CC7.3',
    'security-events.{log}',
    'For SUSPICIOUS_LOGIN_DETECTED and SESSION_INVALIDATED: was each looked at, and by whom? Verdicts on risk-decisions are one trace of it.',
    'What people did about it outside of Gatehouse.',
  ),
  control(
    'CC7.3',
    'audit-log.{log}',
    'LOGIN_BLOCKED, REFRESH_REUSE_DETECTED, STEP_UP_FAILED and NOTICE_ANSWERED are no part of security-events: find them here, and what followed with the same actor or subject.',
    'What people did about it outside of Gatehouse.',
  ),
  control(
    'CC8.1',
    'schema-changes.csv',
    'Each change of the database: is there an approved change for it? sha256 is that of the file of the same name in the source of the release.',
    "Changes of the database's structure alone, of the whole installation. Proven by the manifest's signature, not by the tree of this organisation.",
  ),
  control(
    'CC8.1',
    'schema-health.csv',
    'SCHEMA_HEALTH_FAILED: the database was not what the release expects. Each should be followed soon by SCHEMA_HEALTH_RESTORED, and be explained.',
    "Of the whole installation. Proven by the manifest's signature, not by the tree of this organisation.",
  ),
];

const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;

/** Writes controls.csv: for each criterion the files that answer it, for a reader who has never seen the product. */
export function writeControls(format: ExportFormat): string {
  const extension = format === 'csv' ? 'csv' : 'jsonl';
  const rows = CONTROLS.map(({ criterion, asks, file, lookFor, limits }) => [
    criterion,
    asks,
    file.replace('{log}', extension),
    lookFor,
    limits,
  ]);
  const header = ['criterion', 'what_it_asks', 'file', 'what_to_look_for', 'what_it_does_not_show'];
  return [header, ...rows].map((cells) => `${cells.map(quote).join(',')}\r\n`).join('');
}

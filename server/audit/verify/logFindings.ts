import { FindingList } from '../../../tlog/findingList';

/** The checks, in the order of the report. */
export const CHECKS = [
  'guards',
  'events',
  'times',
  'trees',
  'checkpoints',
  'unsealed',
  'earlier',
] as const;
export type CheckName = (typeof CHECKS)[number];

/** Everything that can be wrong with a log: the check that reports it, and its meaning. */
export const FINDING_KINDS = {
  table_missing: {
    check: 'guards',
    means: 'A table of the log is missing, or another object has its name.',
  },
  trigger_missing: { check: 'guards', means: 'A trigger that refuses changes is missing.' },
  trigger_disabled: {
    check: 'guards',
    means: 'A trigger is switched off, so changes are not refused.',
  },
  trigger_changed: {
    check: 'guards',
    means: 'A trigger does not refuse what it should, or not in every session.',
  },
  trigger_extra: {
    check: 'guards',
    means: 'No migration makes this trigger: it can drop or change rows as they are written.',
  },
  triggers_bypassed: {
    check: 'guards',
    means:
      'A setting of the server, the database or a role switches foreign keys off, and every trigger that is not enabled as ALWAYS.',
  },
  setting_hidden: {
    check: 'guards',
    means: 'A setting of the role or the database hides whether the server itself does so.',
  },
  constraint_missing: {
    check: 'guards',
    means: 'A unique key is missing, so a row can exist twice.',
  },
  column_changed: {
    check: 'guards',
    means:
      'A column differs from what the migrations make: it can show other values than those written, or run code on each write.',
  },
  row_security: {
    check: 'guards',
    means: 'Row security of a table can hide rows from a role that reads it, such as an auditor.',
  },
  table_inherits: {
    check: 'guards',
    means:
      'A table inherits from another table, or another from it: rows of one appear in the other.',
  },
  rewrite_rule: {
    check: 'guards',
    means: 'A rule of a table replaces its statements with others.',
  },
  event_changed: {
    check: 'events',
    means: 'The event in the table is not the one that was sealed.',
  },
  number_changed: {
    check: 'events',
    means:
      'A number in the details is written in a form that no server writes, and that has the same hash as another number.',
  },
  event_missing: { check: 'events', means: 'A leaf has no event: it was deleted.' },
  leaf_gap: { check: 'events', means: 'Leaves are missing between others: they were deleted.' },
  leaf_extra: {
    check: 'events',
    means: 'A leaf has an index that another leaf has, or an impossible one.',
  },
  wrong_tenant: { check: 'events', means: 'An event of one tenant is in the log of another.' },
  back_dated: {
    check: 'times',
    means: 'An event claims a time that its log had already passed when the event was sealed.',
  },
  post_dated: { check: 'times', means: 'An event claims a time after it was sealed.' },
  tree_missing: { check: 'trees', means: 'A log has no row in `audit_trees`.' },
  tree_tenant: { check: 'trees', means: "A tree's row names another tenant than that of its log." },
  tree_size: { check: 'trees', means: "A tree's row counts more or fewer leaves than there are." },
  tree_peaks: { check: 'trees', means: "A tree's row holds other hashes than its leaves give." },
  node_wrong: { check: 'trees', means: 'A stored hash does not match its leaves.' },
  node_missing: { check: 'trees', means: 'A stored hash is missing.' },
  node_extra: { check: 'trees', means: 'A hash is stored for leaves that do not exist.' },
  checkpoint_malformed: { check: 'checkpoints', means: 'A checkpoint is malformed.' },
  checkpoint_changed: {
    check: 'checkpoints',
    means: "A checkpoint's row contradicts its signed note.",
  },
  checkpoint_signature: {
    check: 'checkpoints',
    means: 'A checkpoint is not signed by a trusted key.',
  },
  checkpoint_root: {
    check: 'checkpoints',
    means: 'The tree does not lead to a signed root: events before that checkpoint were rewritten.',
  },
  checkpoint_beyond: {
    check: 'checkpoints',
    means: 'More events were signed than exist: the tail was deleted.',
  },
  checkpoint_missing: {
    check: 'checkpoints',
    means: 'The newest signed checkpoint is missing.',
  },
  not_covered: {
    check: 'checkpoints',
    means: 'No checkpoint covers some sealed events, and none is being made.',
  },
  slipped_in: { check: 'unsealed', means: 'An event that the sealer has passed has no leaf.' },
  not_sealed: {
    check: 'unsealed',
    means: 'Events have waited for more than a minute: no server seals them.',
  },
  unsealed_post_dated: {
    check: 'unsealed',
    means: 'An event that is not sealed yet claims a time in the future.',
  },
  sealer_state_missing: {
    check: 'unsealed',
    means: 'The row that records the progress of the sealer is missing.',
  },
  log_missing: { check: 'unsealed', means: 'The sealer has sealed events, but no log exists.' },
  earlier_signature: {
    check: 'earlier',
    means: 'A given checkpoint is not signed by a trusted key.',
  },
  earlier_no_log: {
    check: 'earlier',
    means: 'A given checkpoint belongs to a log that is not in this database.',
  },
  earlier_ahead: {
    check: 'earlier',
    means:
      'A given checkpoint has more events than the log: the tail was deleted, or an older backup was restored.',
  },
  earlier_root: {
    check: 'earlier',
    means:
      'A given checkpoint belongs to another history: the log was rewritten since, or has two heads.',
  },
  earlier_forked: {
    check: 'earlier',
    means: 'Two given checkpoints contradict each other: the log has two heads.',
  },
} as const satisfies Readonly<Record<string, { check: CheckName; means: string }>>;

export type FindingKind = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly kind: FindingKind;
  /** The log, leaf and event that the finding is about, if it is about one. */
  readonly log?: string | undefined;
  readonly leaf?: number | undefined;
  readonly event?: string | undefined;
  /** The problem, in one sentence. */
  readonly message: string;
}

export type Report = (finding: Finding) => void;

/** All findings of one verification. */
export type LogFindings = FindingList<Finding, CheckName>;

/** @param limit how many findings are shown */
export const listFindings = (limit: number): LogFindings =>
  new FindingList(limit, (kind) => FINDING_KINDS[kind].check);

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
    means: 'A table of the log is gone, or something else stands in its place.',
  },
  trigger_missing: { check: 'guards', means: 'A trigger that refuses changes is gone.' },
  trigger_disabled: {
    check: 'guards',
    means: 'A trigger is switched off: changes are not refused.',
  },
  trigger_changed: { check: 'guards', means: 'A trigger does not refuse what it should.' },
  trigger_extra: {
    check: 'guards',
    means: 'A trigger comes from no migration: it can swallow or change what is written.',
  },
  triggers_bypassed: {
    check: 'guards',
    means: 'A setting of the server, the database or a role switches every trigger off.',
  },
  setting_hidden: {
    check: 'guards',
    means:
      'A setting of the role or the database hides whether the server itself switches every trigger off.',
  },
  constraint_missing: {
    check: 'guards',
    means: 'A key is gone that keeps rows from being there twice.',
  },
  column_changed: {
    check: 'guards',
    means:
      'A column is not as the migrations make it: it need not show what was written, or runs something on each write.',
  },
  row_security: {
    check: 'guards',
    means: 'Row security of a table can hide rows from a role that reads it, such as an auditor.',
  },
  table_inherits: {
    check: 'guards',
    means: 'A table has a child or a parent: rows of one show in the other.',
  },
  rewrite_rule: {
    check: 'guards',
    means: 'A rule of a table has its statements do something else.',
  },
  event_changed: {
    check: 'events',
    means: 'The event in the table is not the one that was sealed.',
  },
  number_changed: {
    check: 'events',
    means:
      'A number in the details is written in a way that no server writes, and that is hashed like another number.',
  },
  event_missing: { check: 'events', means: 'A leaf has no event: it was deleted.' },
  leaf_gap: { check: 'events', means: 'Leaves are missing between others: they were deleted.' },
  leaf_extra: { check: 'events', means: 'A leaf has a place that is taken, or none.' },
  wrong_tenant: { check: 'events', means: "An event of one tenant is in another one's log." },
  back_dated: {
    check: 'times',
    means: 'An event claims a time that its log had passed when it came.',
  },
  post_dated: { check: 'times', means: 'An event claims a time after it was sealed.' },
  tree_missing: { check: 'trees', means: 'A log has no row in `audit_trees`.' },
  tree_tenant: { check: 'trees', means: "A tree's row names a tenant that is not its log's." },
  tree_size: { check: 'trees', means: "A tree's row counts more or fewer leaves than there are." },
  tree_peaks: { check: 'trees', means: "A tree's row holds other hashes than its leaves give." },
  node_wrong: { check: 'trees', means: 'A stored hash is not that of its leaves.' },
  node_missing: { check: 'trees', means: 'A stored hash is gone.' },
  node_extra: { check: 'trees', means: 'A hash is stored for leaves that are not there.' },
  checkpoint_malformed: { check: 'checkpoints', means: 'A checkpoint is not in the form of one.' },
  checkpoint_changed: {
    check: 'checkpoints',
    means: "A checkpoint's row says something else than its signed note.",
  },
  checkpoint_signature: {
    check: 'checkpoints',
    means: 'A checkpoint is not signed by a key that is believed.',
  },
  checkpoint_root: {
    check: 'checkpoints',
    means: 'What was signed is not what is there: history before it was rewritten.',
  },
  checkpoint_beyond: {
    check: 'checkpoints',
    means: 'More events were signed than are there: the tail was deleted.',
  },
  checkpoint_missing: {
    check: 'checkpoints',
    means: 'The newest checkpoint that was signed is gone.',
  },
  not_covered: {
    check: 'checkpoints',
    means: 'Sealed events are under no checkpoint, and none is on its way.',
  },
  slipped_in: { check: 'unsealed', means: 'An event that the sealer has passed has no leaf.' },
  not_sealed: { check: 'unsealed', means: 'Events wait for longer than a minute: nobody seals.' },
  unsealed_post_dated: {
    check: 'unsealed',
    means: 'An event that is not sealed yet claims a time that is yet to come.',
  },
  sealer_state_missing: {
    check: 'unsealed',
    means: 'The row that says how far the sealer has come is gone.',
  },
  log_missing: { check: 'unsealed', means: 'The sealer has sealed events, and no log is there.' },
  earlier_signature: {
    check: 'earlier',
    means: 'A checkpoint that was given is not signed by a key that is believed.',
  },
  earlier_no_log: {
    check: 'earlier',
    means: 'A checkpoint that was given is of a log that is not in this database.',
  },
  earlier_ahead: {
    check: 'earlier',
    means:
      'A checkpoint that was given has more events than the log: its tail was deleted, or an older backup restored.',
  },
  earlier_root: {
    check: 'earlier',
    means:
      'A checkpoint that was given is of another history: the log was rewritten since, or has two heads.',
  },
  earlier_forked: {
    check: 'earlier',
    means: 'Two checkpoints that were given contradict each other: the log has two heads.',
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

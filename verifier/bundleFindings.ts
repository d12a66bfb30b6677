import { FindingList } from '../tlog/findingList';

/** The checks, in the order in which the report shows them. */
export const CHECKS = [
  'zip',
  'manifest',
  'signature',
  'key',
  'files',
  'events',
  'tree',
  'range',
  'times',
  'views',
  'checkpoint',
  'consistency',
  'earlier',
] as const;
export type CheckName = (typeof CHECKS)[number];

/** Every kind of finding: the check that it belongs to, and what it means. */
export const FINDING_KINDS = {
  zip_unreadable: { check: 'zip', means: 'The file is not a ZIP file, is empty, or is cut off.' },
  zip_shape: {
    check: 'zip',
    means: 'The ZIP file can be read in two ways, or contains something that no bundle has.',
  },
  zip_doubled: { check: 'zip', means: 'Two files in the ZIP file have the same name.' },
  zip_damaged: {
    check: 'zip',
    means: 'A file in the ZIP file cannot be unpacked, or its content was changed.',
  },
  manifest_missing: { check: 'manifest', means: 'There is no manifest, so this is not a bundle.' },
  manifest_malformed: {
    check: 'manifest',
    means: 'The manifest is malformed, or contradicts itself.',
  },
  signature_missing: { check: 'signature', means: 'The manifest is not signed.' },
  signature_malformed: {
    check: 'signature',
    means: 'manifest.sig is not a signed note, or its text is another manifest.',
  },
  signature_wrong: {
    check: 'signature',
    means: 'The key that the manifest names did not sign this text.',
  },
  key_foreign: {
    check: 'key',
    means: 'None of the given keys signed the manifest.',
  },
  file_required: {
    check: 'files',
    means: 'The manifest does not name a file that every bundle of its format has.',
  },
  file_unknown: {
    check: 'files',
    means: 'The manifest names a file that no bundle of its format has.',
  },
  file_missing: { check: 'files', means: 'A file that the manifest names is missing.' },
  file_extra: { check: 'files', means: 'There is a file that the manifest does not name.' },
  file_changed: {
    check: 'files',
    means: 'A file differs from the one that the manifest describes.',
  },
  file_rows: { check: 'files', means: 'A file has more or fewer rows than the manifest says.' },
  row_malformed: { check: 'events', means: 'A row is not written in the form of bundles.' },
  row_order: { check: 'events', means: 'A row is not at the position of its leaf.' },
  row_doubled: { check: 'events', means: 'A leaf has more than one row.' },
  row_outside: { check: 'events', means: 'A row names a leaf that the bundle does not cover.' },
  event_changed: { check: 'events', means: 'A row differs from the event that was sealed.' },
  event_missing: { check: 'events', means: 'Leaves have no row: their events were left out.' },
  events_unread: { check: 'events', means: 'The events could not be read to the end.' },
  leaves_malformed: {
    check: 'tree',
    means: 'leaves.json or leaves.txt is malformed, or belongs to another log.',
  },
  tree_root: { check: 'tree', means: 'The leaves do not lead to the signed root.' },
  range_outside: { check: 'range', means: 'An event in audit-log did not occur in the range.' },
  range_in_edges: { check: 'range', means: 'An event in audit-log-edges occurred in the range.' },
  range_open: {
    check: 'range',
    means: 'The bundle begins too late or ends too early to hold every event of the range.',
  },
  back_dated: {
    check: 'times',
    means: 'An event claims a time that its log had already passed when the event was sealed.',
  },
  post_dated: { check: 'times', means: 'An event claims a time after it was sealed.' },
  view_actions: {
    check: 'views',
    means: 'The manifest gives a view other actions than the format of the bundle does.',
  },
  view_differs: {
    check: 'views',
    means: 'A view of audit-log, or a table of its events, differs from what the events say.',
  },
  checkpoint_malformed: {
    check: 'checkpoint',
    means: 'checkpoint.txt is not a well-formed checkpoint.',
  },
  checkpoint_signature: {
    check: 'checkpoint',
    means: 'The checkpoint is not signed by a trusted key.',
  },
  checkpoint_differs: {
    check: 'checkpoint',
    means: 'The checkpoint has another log, size or root than the manifest names.',
  },
  consistency_malformed: {
    check: 'consistency',
    means: 'consistency.json is malformed, or belongs to another log.',
  },
  consistency_signature: {
    check: 'consistency',
    means: 'The key that the head of an earlier bundle names did not sign that head.',
  },
  consistency_proof: {
    check: 'consistency',
    means:
      'The log does not contain the history that was signed for an earlier bundle: it was rewritten.',
  },
  earlier_root: {
    check: 'earlier',
    means: 'A given checkpoint belongs to another history: the log was rewritten since.',
  },
  bundle_gap: {
    check: 'earlier',
    means:
      'Leaves are missing between this bundle and a given one, although their ranges touch: events of either range can be missing.',
  },
  bundle_lacks: {
    check: 'earlier',
    means: 'A given bundle leaves out an event of its range that this bundle shows.',
  },
} as const satisfies Readonly<Record<string, { check: CheckName; means: string }>>;

export type FindingKind = keyof typeof FINDING_KINDS;

export interface Finding {
  readonly kind: FindingKind;
  /**
   * The file of the bundle, its row (the first after the header is 1), the leaf and the event, if
   * the finding is about one.
   */
  readonly file?: string | undefined;
  readonly row?: number | undefined;
  readonly leaf?: number | undefined;
  readonly event?: string | undefined;
  /** One sentence that says what is wrong. */
  readonly message: string;
}

export type Report = (finding: Finding) => void;
export type BundleFindings = FindingList<Finding, CheckName>;

/** @param limit how many findings are kept to be shown */
export const listFindings = (limit: number): BundleFindings =>
  new FindingList(limit, (kind) => FINDING_KINDS[kind].check);

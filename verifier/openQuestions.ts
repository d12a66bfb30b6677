import type { CheckName } from './bundleFindings';

/**
 * Why a bundle cannot be compared with something. Such a question is neither a fault of the bundle
 * nor a proof.
 */
export const OPEN_KINDS = {
  format_newer: {
    check: 'manifest',
    means: 'The bundle has a format that this verifier does not know yet.',
  },
  format_older: {
    check: 'manifest',
    means: 'The bundle has an older format than the oldest that you accept.',
  },
  earlier_signature: {
    check: 'earlier',
    means: 'A given checkpoint is not signed by a trusted key.',
  },
  earlier_other_log: { check: 'earlier', means: 'A given checkpoint belongs to another log.' },
  earlier_ahead: {
    check: 'earlier',
    means:
      'A given checkpoint has more events: it is newer than the bundle, or an older bundle was presented as a new one, or the log was rolled back.',
  },
  earlier_unproven: {
    check: 'earlier',
    means: 'A given checkpoint is older than the bundle, and no proof leads from it to the bundle.',
  },
} as const satisfies Readonly<Record<string, { check: CheckName; means: string }>>;

export type OpenKind = keyof typeof OPEN_KINDS;

export interface OpenQuestion {
  readonly kind: OpenKind;
  /** One sentence, without its full stop, that says what cannot be compared. */
  readonly message: string;
  /** The thing that would answer the question. It is read after the words "ask for". */
  readonly ask: string;
}

import { NEWEST_FORMAT } from './formats';
import { plural } from './inspection';
import type { Verification } from './inspection';

/**
 * The outcomes of a verification with their exit codes. Exit code 2 means that nothing could be
 * verified.
 */
export const OUTCOMES = { sound: 0, not_sound: 1, unvouched: 3, not_comparable: 4 } as const;
export type Outcome = keyof typeof OUTCOMES;

/**
 * Returns the most important of the outcomes that apply. A finding comes first, because it is
 * certain. A requested comparison that could not be made comes second. A missing key comes last,
 * because the reader knows that none was given.
 */
export function outcomeOf({ findings, questions, isKeyGiven }: Verification): Outcome {
  if (findings.total > 0) return 'not_sound';
  if (questions.length > 0) return 'not_comparable';
  return isKeyGiven ? 'sound' : 'unvouched';
}

const NOBODY = 'nobody vouched for the key';

function verdictOfQuestions({ questions, isKeyGiven }: Verification): string {
  const asks = [...new Set(questions.map(({ ask }) => ask))];
  const more = asks.length > 1 ? ` (and ${plural(asks.length - 1, 'more request')} above)` : '';
  const unvouched = isKeyGiven ? '' : `. Besides, ${NOBODY}`;
  const [first] = questions;
  if (first?.kind === 'format_newer') return `NOT COMPARABLE: use a newer verifier${unvouched}.`;
  return `The bundle is NOT COMPARABLE with what was given: ask for ${asks[0] ?? ''}${more}${unvouched}.`;
}

/**
 * Returns the last line of the report, which is also the heading of the page. A bundle is only
 * sound if a key was given.
 */
export function verdictOf(verification: Verification): string {
  const { findings, manifest } = verification;
  const format = manifest?.bundleFormat.number ?? NEWEST_FORMAT;
  const byFormat = format < NEWEST_FORMAT ? ` by the rules of format ${format}` : '';
  switch (outcomeOf(verification)) {
    case 'not_sound':
      return `The bundle is NOT sound: ${plural(findings.total, 'finding')}.`;
    case 'not_comparable':
      return verdictOfQuestions(verification);
    case 'unvouched':
      return `The bundle is consistent${byFormat}, but ${NOBODY}: ask for the key in another way than through the bundle, and give it.`;
    case 'sound':
      return `The bundle is sound${byFormat}, and signed by a key that you gave.`;
  }
}

import type { z } from 'zod';

function demandOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small') return `a whole number of at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `a whole number of at most ${issue.maximum}`;
  return 'a whole number, written in digits only';
}

/** @returns a sentence that states the valid values of a setting, without its current value */
export function describeSettingFault(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.')} must be ${demandOf(issue)}.`;
}

import type { z } from 'zod';
import { AppError } from '../errors';
import { instant } from '../http/routeTable';
import { DAY_MS, MINUTE_MS } from '../durations';
import type { Administration } from './administration';

/** The end of a membership is at least five minutes and at most ten years away. */
const LEAST_MS = 5 * MINUTE_MS;
const MOST_MS = 3653 * DAY_MS;

/** The end of a membership in a body. */
export const membershipEnd = instant.meta({ examples: ['2027-01-31T17:00:00Z'] });

export type MembershipEnd = z.output<typeof membershipEnd>;

/**
 * Refuses an end that is too near or too far away.
 * @param path the field of the body
 * @throws AppError INVALID_INPUT
 */
export function assertPossibleEnd(path: string, endsAt: MembershipEnd | null, now: Date): void {
  if (endsAt === null) return;
  const left = endsAt.getTime() - now.getTime();
  if (left >= LEAST_MS && left <= MOST_MS) return;
  const message = 'must be at least five minutes and at most ten years from now';
  throw new AppError('INVALID_INPUT', {
    detail: `The end of a membership ${message}.`,
    extra: { issues: [{ path, message }] },
  });
}

/**
 * Refuses to make a membership last longer than the actor's own. Otherwise a member whose own
 * membership ends could stay on as somebody else.
 * @param endsAt the end to give; null if there is none
 * @throws AppError NOT_YOURS_TO_GIVE
 */
export function assertMayGiveUntil(
  { actor }: Pick<Administration, 'actor'>,
  endsAt: Date | null,
): void {
  const own = actor.kind === 'member' ? actor.endsAt : null;
  if (own === null || (endsAt !== null && endsAt <= own)) return;
  throw new AppError('NOT_YOURS_TO_GIVE', {
    detail: `Your own membership ends at ${own.toISOString()}. Give an end that is no later.`,
  });
}

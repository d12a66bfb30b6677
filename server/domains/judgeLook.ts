import type { DomainFinding } from '../db/schema';
import { DAY_MS, HOUR_MS } from '../durations';
import type { TxtFinding } from './txtLookup';

/** The times of a domain that decide about its state. */
export interface Proof {
  provenAt: Date | null;
  failingSince: Date | null;
  /** The looks in a row, at least an hour apart, that found the record gone; the last of them. */
  goneLooks: number;
  goneAt: Date | null;
  lostAt: Date | null;
}

export type DomainState = 'waiting' | 'proven' | 'failing' | 'lost';

/** Returns the state of a domain. The proof counts while it is `proven` or `failing`. */
export function stateOf({ provenAt, failingSince, lostAt }: Proof): DomainState {
  if (provenAt === null) return 'waiting';
  if (lostAt !== null) return 'lost';
  return failingSince === null ? 'proven' : 'failing';
}

/** The time between two looks at a proven domain. */
const EVERY_MS = DAY_MS;
/** After a look that found no record or got no answer, the next one comes sooner. */
const AGAIN_MS = HOUR_MS;
/**
 * A record that is gone may come back: someone moves a domain to other name servers, or restores a
 * deleted zone. So a proof is lost only after this time, and only if several looks agree: nodes that
 * were switched off in between have not looked.
 */
const LOST_AFTER_MS = DAY_MS;
const LOOKS_UNTIL_LOST = 3;

const later = (at: Date, ms: number) => new Date(at.getTime() + ms);

/** Returns when a proof that fails since this time can be lost at the earliest. */
export const lostAfter = (failingSince: Date): Date => later(failingSince, LOST_AFTER_MS);

/** The columns that a look changes. */
export interface Judged extends Proof {
  finding: DomainFinding;
  nextCheckAt: Date | null;
}

const WHOLE = { failingSince: null, goneLooks: 0, goneAt: null, lostAt: null } as const;

/** Counts a look that found the record of a proven domain gone. */
function countGone(before: Proof, finding: 'missing' | 'differs', now: Date): Judged {
  const { failingSince, goneAt } = before;
  const isCounted = goneAt === null || now.getTime() - goneAt.getTime() >= AGAIN_MS;
  const after = {
    ...before,
    finding,
    failingSince: failingSince ?? now,
    goneLooks: before.goneLooks + (isCounted ? 1 : 0),
    goneAt: isCounted ? now : goneAt,
    nextCheckAt: later(now, AGAIN_MS),
  };
  const isLost = after.goneLooks >= LOOKS_UNTIL_LOST && lostAfter(after.failingSince) <= now;
  return isLost ? { ...after, lostAt: now, failingSince: null, nextCheckAt: null } : after;
}

/**
 * Works out what a look changes. One that got no answer from DNS changes no state: only an answer
 * can take a proof away.
 */
export function judgeLook(before: Proof, finding: TxtFinding, now: Date): Judged {
  const state = stateOf(before);
  const holds = state === 'proven' || state === 'failing';
  if (finding === 'found') {
    const provenAt = holds ? before.provenAt : now;
    return { ...WHOLE, provenAt, finding, nextCheckAt: later(now, EVERY_MS) };
  }
  if (!holds) return { ...before, finding, nextCheckAt: null };
  if (finding === 'unreachable') return { ...before, finding, nextCheckAt: later(now, AGAIN_MS) };
  return countGone(before, finding, now);
}

import { weigh } from '@/server/security/risk/score';
import type { Attempt, History, Sight, Signal } from '@/server/security/risk/signals';
import { ATTEMPT, HISTORY } from './madeUpAttempt';

/**
 * Returns what a signal sees in an attempt and a history. The arguments are the differences from an
 * attempt without anything unusual, and from an empty history.
 */
export const lookWith =
  (signal: Signal) =>
  (attempt: Partial<Attempt>, history: Partial<History> = {}): Sight | null =>
    signal.look({ ...ATTEMPT, ...attempt }, { ...HISTORY, ...history });

/** Returns the weight of a signal if these other signals saw something too. */
export const weightBeside = (signal: Signal, ...others: string[]): number | undefined =>
  weigh([signal.code, ...others]).get(signal.code);

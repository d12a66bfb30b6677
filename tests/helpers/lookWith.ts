import { weigh } from '@/server/security/score';
import type { Attempt, History, Sight, Signal } from '@/server/security/signals';
import { ATTEMPT, HISTORY } from './madeUpAttempt';

/** What a signal sees in an attempt and a history that differ so much from nothing unusual and nothing known. */
export const lookWith =
  (signal: Signal) =>
  (attempt: Partial<Attempt>, history: Partial<History> = {}): Sight | null =>
    signal.look({ ...ATTEMPT, ...attempt }, { ...HISTORY, ...history });

/** What a signal adds where these others saw something too. */
export const weightBeside = (signal: Signal, ...others: string[]): number | undefined =>
  weigh([signal.code, ...others]).get(signal.code);

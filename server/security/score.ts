import { SIGNALS } from './signals';
import type { Attempt, History, Sight, Signal } from './signals';

export const SCORE_CAP = 100;

/** A tenant's own weights, by code; a signal of weight 0 is switched off. */
export type Weights = Readonly<Record<string, number>>;

/** A signal that saw something: what it added, 0 where another one says the same with more weight, and what it saw. */
export interface SeenSignal {
  code: string;
  weight: number;
  saw: Sight;
}

const BY_CODE = new Map<string, Signal>(SIGNALS.map((signal) => [signal.code, signal]));

/**
 * What each of these signals adds where they are seen together. Decisions that were kept are weighed anew with this
 * very function, so a simulation cannot differ from what would have been.
 * @param seen codes; one that is no signal of this release adds nothing
 */
export function weigh(seen: readonly string[], weights: Weights = {}): Map<string, number> {
  const own = new Map(
    seen.map((code) => [code, weights[code] ?? BY_CODE.get(code)?.weight ?? 0] as const),
  );
  const covered = (code: string) =>
    BY_CODE.get(code)?.unless?.some((other) => (own.get(other) ?? 0) > 0) ?? false;
  return new Map([...own].map(([code, weight]) => [code, covered(code) ? 0 : weight]));
}

/** @returns 0 to 100 */
export const sumOf = (weights: Iterable<number>): number =>
  Math.min(
    SCORE_CAP,
    [...weights].reduce((sum, weight) => sum + weight, 0),
  );

/**
 * Looks at an attempt with every signal.
 * @returns those that saw something, in their fixed order; those of weight 0 too, which explain and do not count
 */
export function lookForSignals(
  attempt: Attempt,
  history: History,
  weights: Weights = {},
): SeenSignal[] {
  const seen = SIGNALS.flatMap((signal) => {
    const saw = signal.look(attempt, history);
    return saw ? [{ code: signal.code, saw }] : [];
  });
  const counted = weigh(
    seen.map(({ code }) => code),
    weights,
  );
  return seen.map(({ code, saw }) => ({ code, weight: counted.get(code) ?? 0, saw }));
}

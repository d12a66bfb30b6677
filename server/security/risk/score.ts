import { SIGNALS, isAtProvenHome } from './signals';
import type { Attempt, History, Sight, Signal } from './signals';

export const SCORE_CAP = 100;

/** A tenant's own weights, by code; weight 0 turns a signal off. */
export type Weights = Readonly<Record<string, number>>;

/**
 * A signal that saw something. Its weight excludes what other signals have already added for the
 * same reason.
 */
export interface SeenSignal {
  code: string;
  weight: number;
  saw: Sight;
}

/**
 * Computes what each of these signals adds when they are seen together. A signal subtracts its own
 * weight from the signals that it covers, and no more than that in total, so more evidence never
 * gives a lower score, whatever a tenant's weights. Simulations use this same function on stored
 * decisions, so they cannot differ from the real scoring.
 * @param seen signal codes; one that this release does not know adds nothing
 */
export function weigh(seen: readonly string[], weights: Weights = {}): Map<string, number> {
  const signals = SIGNALS.filter(({ code }) => seen.includes(code));
  const own = ({ code, weight }: Signal) => weights[code] ?? weight;
  const cover = new Map(signals.map((signal) => [signal.code, own(signal)]));
  const counted = new Map(seen.map((code) => [code, 0]));
  for (const signal of signals) {
    let left = own(signal);
    for (const other of signal.unless ?? []) {
      const covered = Math.min(left, cover.get(other) ?? 0);
      cover.set(other, (cover.get(other) ?? 0) - covered);
      left -= covered;
    }
    counted.set(signal.code, left);
  }
  return counted;
}

/** @returns the sum, from 0 to 100 */
export const sumOf = (weights: Iterable<number>): number =>
  Math.min(
    SCORE_CAP,
    [...weights].reduce((sum, weight) => sum + weight, 0),
  );

/**
 * Checks an attempt with every signal.
 * @returns the signals that saw something, in their fixed order; also those of weight 0, which
 * explain but do not count
 */
export function lookForSignals(
  attempt: Attempt,
  history: History,
  weights: Weights = {},
): SeenSignal[] {
  const atHome = isAtProvenHome(attempt);
  const seen = SIGNALS.flatMap((signal) => {
    // A proof has already answered this doubt in this session, so asking again at each refresh
    // would add nothing.
    if (atHome && signal.doubtsPlace) return [];
    const saw = signal.look(attempt, history);
    return saw ? [{ code: signal.code, saw }] : [];
  });
  const counted = weigh(
    seen.map(({ code }) => code),
    weights,
  );
  return seen.map(({ code, saw }) => ({ code, weight: counted.get(code) ?? 0, saw }));
}

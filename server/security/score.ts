import { SIGNALS, isAtProvenHome } from './signals';
import type { Attempt, History, Sight, Signal } from './signals';

export const SCORE_CAP = 100;

/** A tenant's own weights, by code; a signal of weight 0 is switched off. */
export type Weights = Readonly<Record<string, number>>;

/** A signal that saw something: what it added, less what others that say the same have added already, and what it saw. */
export interface SeenSignal {
  code: string;
  weight: number;
  saw: Sight;
}

/**
 * What each of these signals adds where they are seen together. A signal takes off what it adds from those that it
 * covers, and no more than that in all: so more evidence never scores less, whatever a tenant's weights. Decisions that
 * were kept are weighed anew with this very function, so a simulation cannot differ from what would have been.
 * @param seen codes; one that is no signal of this release adds nothing
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
  const atHome = isAtProvenHome(attempt);
  const seen = SIGNALS.flatMap((signal) => {
    // A proof has answered this doubt in this session: to ask again at each refresh would tell nothing new.
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

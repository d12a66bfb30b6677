import type { Phase } from './child';

/** Something whose speed is measured in phases. */
export interface Measured {
  run(ms: number): Promise<Phase>;
}

export interface Comparison {
  name: string;
  unit: string;
  yardstickName: string;
  aim: number;
  /** One pair of phases for each round. */
  rounds: { measured: Phase; yardstick: Phase }[];
}

export const rate = ({ done, seconds }: Phase): number => done / seconds;

export const ratios = ({ rounds }: Comparison): number[] =>
  rounds.map(({ measured, yardstick }) => rate(measured) / rate(yardstick));

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/**
 * Runs both alternately, after a warm-up of each. Other load on the machine then affects both. Each
 * round has its own ratio, and every other round begins with the yardstick.
 */
export async function compare(
  about: Omit<Comparison, 'rounds'>,
  { measured, yardstick }: { measured: Measured; yardstick: Measured },
  { rounds, ms, warmUpMs }: { rounds: number; ms: number; warmUpMs: number },
): Promise<Comparison> {
  if (warmUpMs > 0) {
    await measured.run(warmUpMs);
    await yardstick.run(warmUpMs);
  }
  const done: Comparison['rounds'] = [];
  for (let round = 0; round < rounds; round += 1) {
    const yardstickFirst = round % 2 === 1 ? await yardstick.run(ms) : undefined;
    const own = await measured.run(ms);
    done.push({ measured: own, yardstick: yardstickFirst ?? (await yardstick.run(ms)) });
  }
  return { ...about, rounds: done };
}

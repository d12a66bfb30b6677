import { performance } from 'node:perf_hooks';
import type { Phase } from './child';

const quantile = (sorted: Float64Array, part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

/**
 * Keeps a number of workers busy for a while: each begins its next piece of work when its last one
 * is done. Work that runs at the end is finished, and its time counts. With few long pieces, a cut
 * would make the result depend on chance.
 */
export async function closedLoop(
  ms: number,
  workers: number,
  work: (worker: number) => Promise<void>,
): Promise<Omit<Phase, 'cpuMs'>> {
  const began = performance.now();
  const until = began + ms;
  const times: number[] = [];

  async function keepWorking(worker: number): Promise<void> {
    let from = performance.now();
    while (from < until) {
      await work(worker);
      const now = performance.now();
      times.push(now - from);
      from = now;
    }
  }
  await Promise.all(Array.from({ length: workers }, (_none, worker) => keepWorking(worker)));
  const seconds = (performance.now() - began) / 1000;
  const sorted = Float64Array.from(times).sort();
  return { done: times.length, seconds, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

import type { HealthDeps } from './deps';
import { REFUSED_MS, TOLD_MS } from '../nodeClock';
import { SECOND_MS } from '../durations';

/** Offsets that differ by no more than this count as equal. */
const ALIKE_MS = 2000;

const describe = (offsetMs: number) =>
  `${(Math.abs(offsetMs) / SECOND_MS).toFixed(1)} s ${offsetMs > 0 ? 'ahead of' : 'behind'} the database's`;

/**
 * Compares this machine's wall clock with the database's. Tokens and windows do not depend on it;
 * logs, TLS and files do.
 * @returns `ok: false` beyond 25 s, unless the other nodes have the same offset: then the
 * database's clock is wrong, and withdrawing every node would help nobody
 */
export async function checkClock({
  nodeClock,
}: Pick<HealthDeps, 'nodeClock'>): Promise<{ ok: boolean; reason?: string; findings?: string[] }> {
  const offset = nodeClock.offsetMs();
  if (offset === undefined || Math.abs(offset) <= TOLD_MS) return { ok: true };
  const others = await nodeClock.othersMs();
  const alike = others.length > 0 && others.every((other) => Math.abs(other - offset) <= ALIKE_MS);
  if (alike) {
    const fault = `The clocks of all nodes are ${describe(offset)}: check the clock of the database.`;
    return { ok: true, findings: [fault] };
  }
  const sentence = `The clock of this node is ${describe(offset)}.`;
  if (Math.abs(offset) > REFUSED_MS) return { ok: false, reason: sentence };
  return { ok: true, findings: [sentence] };
}

import { setImmediate } from 'node:timers/promises';
import { readAddress } from '../http/clientAddress';
import type { Refusal } from './ruleSet';

/** The verdicts on addresses, as they are stored. */
export type Verdicts = ReadonlyMap<string | null, Refusal | undefined>;

/** After so many addresses other requests get their turn. They take a few milliseconds. */
const JUDGED_AT_ONCE = 500;

/** Judges each address once. It does not keep other requests waiting, however many addresses there are. */
export async function judgeAddresses(
  addresses: readonly (string | null)[],
  judge: (address: string | null) => Refusal | undefined,
): Promise<Verdicts> {
  const verdicts = new Map<string | null, Refusal | undefined>();
  for (const address of addresses) {
    if (verdicts.has(address)) continue;
    verdicts.set(address, judge(readAddress(address)));
    if (verdicts.size % JUDGED_AT_ONCE === 0) await setImmediate();
  }
  return verdicts;
}

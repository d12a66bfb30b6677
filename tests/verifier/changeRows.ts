import { csvRow, openBundle, pack, sign, splitRows } from '@/tests/helpers/evidence/madeUpBundle';
import { events, soundPlan } from '@/tests/helpers/evidence/soundPlan';

export type Change = (rows: string[]) => string[];

/**
 * Changes the rows of a file, with the header as row 0. If the attacker has the key, everything is
 * signed again.
 */
export function change(name: string, how: Change, isKeyHeld: boolean, of = soundPlan): Buffer {
  const bundle = openBundle(of);
  const signed = isKeyHeld ? bundle.files : sign(bundle);
  const split = name.endsWith('.csv') ? splitRows : (text: string) => text.match(/[^\n]*\n/g) ?? [];
  const rows = how(split(signed.get(name)?.toString() ?? ''));
  signed.set(name, Buffer.from(rows.join('')));
  return pack(isKeyHeld ? sign(bundle) : signed);
}

export const rowOf = (leaf: number, more: object = {}): string => {
  const event = events[leaf];
  if (!event) throw new Error(`there is no leaf ${leaf}`);
  return csvRow({ ...event, ...more });
};

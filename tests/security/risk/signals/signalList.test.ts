import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SIGNALS } from '@/server/security/risk/signals';
import type { Signal } from '@/server/security/risk/signals';

const FOLDER = join(__dirname, '../../../../server/security/risk/signals');
const NO_SIGNALS = ['index.ts', 'signal.ts'];

const files = readdirSync(FOLDER).filter((name) => !NO_SIGNALS.includes(name));
const codes = SIGNALS.map(({ code }) => code);

const isSignal = (value: unknown): value is Signal =>
  typeof value === 'object' && value !== null && 'code' in value && 'look' in value;

async function signalsIn(file: string): Promise<Signal[]> {
  const exported = (await import(join(FOLDER, file))) as Record<string, unknown>;
  return Object.values(exported).filter(isSignal);
}

describe('the list of signals', () => {
  it.each(files)('holds every signal of %s, which has a test of its own', async (file) => {
    const signals = await signalsIn(file);
    expect(signals).not.toEqual([]);
    expect(signals.filter((signal) => !SIGNALS.includes(signal))).toEqual([]);
    expect(existsSync(join(__dirname, file.replace(/\.ts$/, '.test.ts')))).toBe(true);
  });

  it('holds nothing else', async () => {
    const all = (await Promise.all(files.map(signalsIn))).flat();
    expect(SIGNALS.filter((signal) => !all.includes(signal))).toEqual([]);
  });

  it('names each once, by a code in capitals', () => {
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.filter((code) => !/^[A-Z]+(_[A-Z]+)*$/.test(code))).toEqual([]);
  });

  it.each(SIGNALS.map((signal) => [signal.code, signal] as const))(
    'weighs %s from 1 to 100, and covers it by others that exist',
    (code, { weight, unless = [] }) => {
      expect(Number.isInteger(weight) && weight >= 1 && weight <= 100).toBe(true);
      expect(unless).not.toContain(code);
      expect(unless.filter((other) => !codes.includes(other))).toEqual([]);
    },
  );

  it('covers a signal only by one that weighs as much or more, and that counts itself', () => {
    const find = (code: string) => SIGNALS.find((signal) => signal.code === code);
    for (const { weight, unless = [] } of SIGNALS) {
      for (const other of unless.map(find)) {
        expect(other?.weight).toBeGreaterThanOrEqual(weight);
        expect(other?.unless ?? []).toEqual([]);
      }
    }
  });

  it('asks nobody for a second proof on one signal alone', () => {
    expect(SIGNALS.filter(({ weight }) => weight >= 60)).toEqual([]);
  });
});

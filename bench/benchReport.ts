import { median, rate, ratios } from './compare';
import type { Comparison } from './compare';

const figure = (value: number) =>
  value >= 1000
    ? Math.round(value).toLocaleString('en')
    : value.toFixed(value >= 100 ? 0 : value >= 1 ? 1 : 3);

const HEAD = [
  '',
  'Gatehouse/s',
  'p50 ms',
  'p99 ms',
  'CPU ms',
  'yardstick/s',
  'CPU ms',
  'ratio',
  'rounds',
  'aim',
];

function row(comparison: Comparison): string[] {
  const { rounds, aim } = comparison;
  const of = (
    side: 'measured' | 'yardstick',
    pick: (phase: (typeof rounds)[0]['measured']) => number,
  ) => median(rounds.map((round) => pick(round[side])));
  const latency = (value: number) => (value === 0 ? '' : value.toFixed(1));
  const all = ratios(comparison);
  return [
    comparison.name,
    figure(of('measured', rate)),
    latency(of('measured', ({ p50 }) => p50)),
    latency(of('measured', ({ p99 }) => p99)),
    figure(of('measured', ({ cpuMs, done }) => cpuMs / done)),
    figure(of('yardstick', rate)),
    figure(of('yardstick', ({ cpuMs, done }) => cpuMs / done)),
    median(all).toFixed(2),
    `${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)}`,
    `${aim.toFixed(2)} ${median(all) >= aim ? 'met' : 'missed'}`,
  ];
}

/**
 * Formats the comparisons. Ratios are medians over the rounds, and the two figures beside them are
 * the lowest and the highest ratio.
 */
export function report(comparisons: readonly Comparison[]): string {
  const table = [HEAD, ...comparisons.map(row)];
  const widths = HEAD.map((_head, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = table.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  const yardsticks = comparisons.map(
    ({ name, unit, yardstickName }) => `  ${name}: ${unit} against ${yardstickName}`,
  );
  const aims = comparisons.map(({ name, aim }) => `${name} >= ${aim}`).join(', ');
  return `${lines.join('\n')}\n\n${yardsticks.join('\n')}\n\nAims: ${aims}.\n`;
}

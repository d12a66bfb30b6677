import type { Decision, GuardStats } from './guardContract';

const KEPT_LATENCIES = 1000;

/** Counts what a guard does. */
export interface Counters {
  decided(decision: Decision): void;
  readonly asked: () => void;
  readonly reset: () => void;
  readonly latency: (ms: number) => void;
  read(now: Pick<GuardStats, 'changes' | 'stalenessMs' | 'kept'>): GuardStats;
}

export function createCounters(): Counters {
  const decisions = { allowed: 0, '401': 0, '403': 0, '428': 0, '503': 0 };
  const latencies: number[] = [];
  let [fromKept, introspections, resets] = [0, 0, 0];

  function summary(): GuardStats['changeLatencyMs'] {
    if (latencies.length === 0) return null;
    const sorted = Float64Array.from(latencies).sort();
    const at = (part: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
  return {
    decided(decision) {
      decisions[decision.allowed ? 'allowed' : (`${decision.refusal.status}` as const)] += 1;
      if (decision.allowed && decision.source === 'kept') fromKept += 1;
    },
    asked: () => void (introspections += 1),
    reset: () => void (resets += 1),
    latency(ms) {
      latencies.push(ms);
      if (latencies.length > KEPT_LATENCIES) latencies.shift();
    },
    read: (now) => ({
      decisions: { ...decisions },
      fromKept,
      introspections,
      resets,
      ...now,
      changeLatencyMs: summary(),
    }),
  };
}

const STATES = ['stream', 'poll', 'down'] as const;

/** Writes the figures in the text format of Prometheus. */
export function toPrometheus(stats: GuardStats): string {
  const { decisions, changeLatencyMs: latency } = stats;
  const lines = [
    '# TYPE gatehouse_guard_decisions_total counter',
    ...Object.entries(decisions).map(
      ([result, count]) => `gatehouse_guard_decisions_total{result="${result}"} ${count}`,
    ),
    '# TYPE gatehouse_guard_kept_total counter',
    `gatehouse_guard_kept_total ${stats.fromKept}`,
    '# TYPE gatehouse_guard_introspections_total counter',
    `gatehouse_guard_introspections_total ${stats.introspections}`,
    '# TYPE gatehouse_guard_resets_total counter',
    `gatehouse_guard_resets_total ${stats.resets}`,
    '# TYPE gatehouse_guard_kept gauge',
    `gatehouse_guard_kept ${stats.kept}`,
    '# TYPE gatehouse_guard_changes gauge',
    ...STATES.map(
      (state) => `gatehouse_guard_changes{state="${state}"} ${state === stats.changes ? 1 : 0}`,
    ),
  ];
  if (stats.stalenessMs !== null) {
    lines.push('# TYPE gatehouse_guard_staleness_seconds gauge');
    lines.push(`gatehouse_guard_staleness_seconds ${stats.stalenessMs / 1000}`);
  }
  if (latency) {
    lines.push('# TYPE gatehouse_guard_change_latency_seconds summary');
    lines.push(`gatehouse_guard_change_latency_seconds{quantile="0.5"} ${latency.p50 / 1000}`);
    lines.push(`gatehouse_guard_change_latency_seconds{quantile="0.99"} ${latency.p99 / 1000}`);
    lines.push(`gatehouse_guard_change_latency_seconds{quantile="1"} ${latency.max / 1000}`);
  }
  return `${lines.join('\n')}\n`;
}

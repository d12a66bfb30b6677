import type { Report } from './logFindings';

/** An event without a leaf. */
export interface UnsealedRow {
  readonly id: string;
  readonly tenant_id: string | null;
  readonly occurred_at: string;
  /** Whether the sealer has passed it; null if the database is a copy, whose transaction numbers mean nothing. */
  readonly passed: boolean | null;
  /**
   * `overdue`: it is older than any event that a running sealer leaves unsealed; `ahead`: its time is in the future.
   */
  readonly overdue: boolean;
  readonly ahead: boolean;
}

/** The events that wait for the sealer. */
export interface Unsealed {
  readonly waiting: number;
  readonly overdue: number;
  /** The first few that have waited too long. */
  readonly overdueIds: readonly string[];
  readonly oldest: { readonly id: string; readonly at: string } | undefined;
}

const MOST_IDS = 100;

/** Distinguishes events that were inserted behind the sealer from those that it has not reached yet. */
export async function checkUnsealed(
  read: () => Promise<readonly UnsealedRow[]>,
  report: Report,
): Promise<Unsealed> {
  let waiting = 0;
  let overdue = 0;
  const overdueIds: string[] = [];
  let oldest: Unsealed['oldest'];
  for (let page = await read(); page.length > 0; page = await read()) {
    for (const { id: event, tenant_id: tenant, occurred_at: at, ...row } of page) {
      const log = tenant ?? undefined;
      if (row.passed) {
        const message = `it has no leaf, although the sealer has passed it: it was inserted behind the sealer, or its leaf was removed; it claims ${at}`;
        report({ kind: 'slipped_in', log, event, message });
        continue;
      }
      waiting += 1;
      if (!oldest || at < oldest.at) oldest = { id: event, at };
      if (row.ahead) {
        const message = `it is not sealed, and claims ${at}, which is in the future`;
        report({ kind: 'unsealed_post_dated', log, event, message });
      }
      if (!row.overdue) continue;
      overdue += 1;
      if (overdueIds.length < MOST_IDS) overdueIds.push(event);
    }
  }
  return { waiting, overdue, overdueIds, oldest };
}

import type { Principal } from '../context';
import type { Deps } from '../deps';
import { fromCursor, toCursor } from '../timeCursor';
import { listDecisions } from './riskDecisionStore';
import type { DecisionFilter, StoredDecision } from './riskDecisionStore';

/** A decision as it is shown. */
export type ShownDecision = ReturnType<typeof showDecision>;

export interface DecisionPage {
  decisions: ShownDecision[];
  /** Where the next page begins; null on the last. */
  nextCursor: string | null;
}

export function showDecision(row: StoredDecision) {
  const { verdict, verdictBy, verdictAt, verdictNote, spentUs, email, ...decision } = row;
  return {
    ...decision,
    /** Null for a member who is gone. */
    email,
    spentMs: spentUs / 1000,
    verdict: verdict === null ? null : { verdict, by: verdictBy, at: verdictAt, note: verdictNote },
  };
}

/**
 * The decisions of the caller's tenant, newest first.
 * @throws AppError INVALID_INPUT for a cursor that was not handed out
 */
export async function listRiskDecisions(
  deps: Pick<Deps, 'db' | 'riskDecisions'>,
  { tenantId }: Principal,
  query: { filter: DecisionFilter; cursor?: string | undefined; limit: number },
): Promise<DecisionPage> {
  const { filter, limit } = query;
  const below = query.cursor === undefined ? undefined : fromCursor(query.cursor);
  // What this node has decided and not written yet is part of the answer.
  await deps.riskDecisions.flush();
  // One more than is shown tells whether there is a next page.
  const rows = await listDecisions(deps.db, tenantId, { filter, below, limit: limit + 1 });
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { decisions: shown.map(showDecision), nextCursor: last ? toCursor(last) : null };
}

import type { Principal } from '../../context';
import type { SecurityDeps } from '../deps';
import { cutPage, fromCursor, toCursor } from '../../http/timeCursor';
import { listDecisions } from './riskDecisionStore';
import type { DecisionFilter, StoredDecision } from './riskDecisionStore';

/** A decision for display. */
export type ShownDecision = ReturnType<typeof showDecision>;

export interface DecisionPage {
  decisions: ShownDecision[];
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null;
}

export function showDecision(row: StoredDecision) {
  const { verdict, verdictBy, verdictAt, verdictNote, spentUs, email, ...decision } = row;
  return {
    ...decision,
    /** Null if the member no longer exists. */
    email,
    spentMs: spentUs / 1000,
    verdict: verdict === null ? null : { verdict, by: verdictBy, at: verdictAt, note: verdictNote },
  };
}

/**
 * Lists the decisions of the caller's tenant, newest first.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listRiskDecisions(
  deps: Pick<SecurityDeps, 'db' | 'riskDecisions'>,
  { tenantId }: Principal,
  query: { filter: DecisionFilter; cursor?: string | undefined; limit: number },
): Promise<DecisionPage> {
  const { filter, limit } = query;
  const below = query.cursor === undefined ? undefined : fromCursor(query.cursor);
  // Write this node's pending decisions first, so that the answer includes them.
  await deps.riskDecisions.flush();
  const rows = await listDecisions(deps.db, tenantId, { filter, below, limit: limit + 1 });
  const { shown, nextCursor } = cutPage(rows, limit, toCursor);
  return { decisions: shown.map(showDecision), nextCursor };
}

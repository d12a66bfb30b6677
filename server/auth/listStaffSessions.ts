import type { AuthDeps } from './deps';
import { cutPage, fromCursor, toCursor } from '../http/timeCursor';
import { listOtherSessions } from './sessionListStore';

/** A live session of a staff member, as their administrator sees it. */
type Session = Awaited<ReturnType<typeof listOtherSessions>>[number];

/**
 * Lists the live sessions of a staff member for an administrator, newest first, one page at a time.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listStaffSessions(
  deps: Pick<AuthDeps, 'db' | 'clock'>,
  tenantId: string,
  staff: { staffId: string; sessionVersion: number },
  page: { cursor?: string | undefined; limit: number },
): Promise<{ sessions: Session[]; nextCursor: string | null }> {
  const below = page.cursor === undefined ? undefined : fromCursor(page.cursor);
  const query = { ...staff, now: deps.clock.now(), asking: null, below, limit: page.limit + 1 };
  const found = await listOtherSessions(deps.db, tenantId, query);
  const { shown: sessions, nextCursor } = cutPage(found, page.limit, ({ createdAt, id }) =>
    toCursor({ occurredAt: createdAt, id }),
  );
  return { sessions, nextCursor };
}

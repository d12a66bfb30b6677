import type { Principal } from '../context';
import type { AuthDeps } from './deps';
import { nameDevice } from './deviceName';
import { fromCursor, toCursor } from '../http/timeCursor';
import type { TimeCursor } from '../http/timeCursor';
import { listImpersonationsOf } from './runningImpersonationStore';
import { findAskingSession, listOtherSessions } from './sessionListStore';

type Session = NonNullable<Awaited<ReturnType<typeof findAskingSession>>>;

export interface SessionsPage {
  sessions: (Session & {
    /** The browser and the system, such as "Firefox on Windows"; null if neither is known. */
    device: string | null;
    current: boolean;
  })[];
  /** The cursor of the next page; null on the last page. */
  nextCursor: string | null;
  /** Those who act as the caller now. They have no session of the caller. */
  impersonations: Awaited<ReturnType<typeof listImpersonationsOf>>;
}

const isNewer = (one: Session, other: Session) => {
  const apart = one.createdAt.getTime() - other.createdAt.getTime();
  return apart === 0 ? one.id > other.id : apart > 0;
};

const NIL = '00000000-0000-0000-0000-000000000000';
/** Returns a cursor just above a row, so that the next page begins with it. */
const above = ({ createdAt }: Session): TimeCursor => ({
  occurredAt: new Date(createdAt.getTime() + 1),
  id: NIL,
});

/**
 * Lists the live sessions of the caller, newest first, one page at a time. The current session is
 * marked, and always appears on the first page and on no other.
 * @throws AppError INVALID_INPUT for a cursor that the server did not issue
 */
export async function listOwnSessions(
  deps: Pick<AuthDeps, 'db' | 'clock'>,
  principal: Principal,
  page: { cursor?: string | undefined; limit: number },
): Promise<SessionsPage> {
  const { tenantId, staffId, sessionId, sessionVersion } = principal;
  const below = page.cursor === undefined ? undefined : fromCursor(page.cursor);
  const query = { staffId, sessionVersion, now: deps.clock.now(), asking: sessionId };
  const asking = below ? undefined : await findAskingSession(deps.db, tenantId, query);
  const room = page.limit - (asking ? 1 : 0);
  const found = await listOtherSessions(deps.db, tenantId, { ...query, below, limit: room + 1 });
  const others = found.slice(0, room);
  const beyond = found[room];
  const last = others.at(-1);
  const next = last ? { occurredAt: last.createdAt, id: last.id } : beyond && above(beyond);
  const at = asking ? others.filter((other) => isNewer(other, asking)).length : 0;
  const shown = asking ? [...others.slice(0, at), asking, ...others.slice(at)] : others;
  return {
    sessions: shown.map((row) => ({
      ...row,
      device: nameDevice(row.userAgent),
      current: row.id === sessionId,
    })),
    nextCursor: beyond && next ? toCursor(next) : null,
    impersonations: await listImpersonationsOf(deps.db, tenantId, query),
  };
}

import type { Principal } from '../context';
import type { Deps } from '../deps';
import { listSessions } from './sessionStore';

/** The live sessions of the person who asks, newest first; the one that asks is marked. */
export async function listOwnSessions(deps: Pick<Deps, 'db' | 'clock'>, principal: Principal) {
  const { tenantId, staffId, sessionId, sessionVersion } = principal;
  const query = { staffId, sessionVersion, now: deps.clock.now() };
  const rows = await listSessions(deps.db, tenantId, query);
  return rows.map((row) => ({ ...row, current: row.id === sessionId }));
}

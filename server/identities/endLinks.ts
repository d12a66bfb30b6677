import { recordAudits } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { endLinkRows } from './linkStore';
import type { LinkRow } from './linkStore';

type Unlinked = Extract<AuditEvent, { action: 'IDENTITY_UNLINKED' }>;
type LinkEnd = Pick<Unlinked['details'], 'reason' | 'via'>;

/** Returns what the events show of a link. */
export const describeLink = ({ id, connectionId, issuer, how }: LinkRow) => ({
  ...{ linkId: id, connectionId, issuer, how },
});

/**
 * Ends links of a member, with an event for each. The caller holds the lock of the member's row, and
 * ends the sessions that the links have opened.
 * @param which the id of one link; undefined for all of the member
 * @returns how many links this call has ended
 */
export async function endLinks(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  { staffId, id }: { staffId: string; id?: string },
  why: LinkEnd,
): Promise<number> {
  const ended = await endLinkRows(tx, tenantId, { staffId, ...(id === undefined ? {} : { id }) });
  const events = ended.map((row): Unlinked => ({
    action: 'IDENTITY_UNLINKED',
    outcome: 'success',
    tenantId,
    subject: `staff:${staffId}`,
    details: { before: describeLink(row), after: null, ...why },
  }));
  if (events.length > 0) await recordAudits(tx, ctx, events);
  return ended.length;
}

import { DAY_MS } from '../durations';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import { inUtc } from './invitationTexts';
import { readAddressee } from './mailStore';
import type { NoticeDeps } from './notices';
import { toLine } from './plainText';
import { queueMail } from './queueMail';

const MOST_NAME = 80;
/** Longer than a weekend without a mail server. */
const WORTH_SENDING_MS = 3 * DAY_MS;

/** The contents of a mail about a proven domain whose TXT record is gone. */
export type DomainFacts = {
  domain: string;
  record: { name: string; value: string };
} & ({ kind: 'domain_failing'; lostAfter: Date } | { kind: 'domain_lost' });

/** Writes the mail. It contains no link: the reader signs in as always. */
function writeDomainMail(tenantName: string, facts: DomainFacts) {
  const tenant = toLine(tenantName, MOST_NAME);
  const { domain, record } = facts;
  const shown = `Name:  ${record.name}
Type:  TXT
Value: ${record.value}`;
  if (facts.kind === 'domain_failing') {
    return {
      subject: `The proof of ${domain} fails: ${tenant}`,
      text: `The DNS record by which ${tenant} proves that it controls ${domain} is gone:

${shown}

Nothing has changed yet. Set the record again, or the proof is lost: ${inUtc(facts.lostAfter)} at the earliest. The record is looked for each hour until then.

If ${domain} no longer belongs to ${tenant}, remove it from the list of domains.
`,
    };
  }
  return {
    subject: `${domain} is no longer proven: ${tenant}`,
    text: `The DNS record by which ${tenant} proved that it controls ${domain} has been gone for more than a day, so the proof is lost:

${shown}

Another organisation can prove this domain now. To prove it again, set the record, sign in to ${tenant}, and check the domain in the list of domains.

If ${domain} no longer belongs to ${tenant}, remove it from that list.
`,
  };
}

/**
 * Queues a mail to a member about a domain, in the transaction that notes the finding. If mail is
 * not available, nothing happens. If the mail table is missing, the mail is skipped with an error in
 * the log.
 * @throws any other database error
 */
export async function queueDomainMail(
  deps: NoticeDeps,
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  facts: DomainFacts,
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  try {
    await tx.transaction(async (inner) => {
      const addressee = await readAddressee(inner, tenantId, staffId);
      if (!addressee) return;
      await queueMail(deps, inner, {
        ...{ tenantId, staffId, userId: addressee.userId, to: addressee.email },
        kind: facts.kind,
        ...writeDomainMail(addressee.tenantName, facts),
        expiresAt: new Date(deps.clock.now().getTime() + WORTH_SENDING_MS),
      });
    });
  } catch (err) {
    if (databaseFault(err) !== 'missing_table') throw err;
    deps.metrics.backgroundFailures.inc({ task: 'queue_notice' });
    deps.logger.error({ err }, 'a mail about a domain could not be queued');
  }
}

import { recordAudit } from '../audit';
import { clientIp } from '../context';
import type { Clock, RequestContext } from '../context';
import { MINUTE_MS } from '../durations';
import type { Kernel } from '../kernel';
import { createQuietCounter } from '../quietCounter';
import type { Refusal, RuleTarget } from './ruleSet';

/** The member, or their key, whose address is judged. */
export interface AddressHolder {
  tenantId: string;
  staffId: string;
  sessionId?: string | null;
  /** The key that the member's program used. */
  apiKeyId?: string | undefined;
}

/** Records refusals by IP rules. */
export interface RefusalRecorder {
  /** Records a refusal, or counts it towards the next event about the same. */
  record(ctx: RequestContext, who: AddressHolder, refusal: Refusal): Promise<void>;
}

/** Returns the rules that apply to a caller. */
export const targetOf = ({ apiKeyId }: Pick<AddressHolder, 'apiKeyId'>): RuleTarget =>
  apiKeyId === undefined ? 'people' : 'api_keys';

/** How many addresses of one member or key are named within a minute. */
const MOST_ADDRESSES = 10;
const MOST_REMEMBERED = 10_000;

/**
 * Creates the names under which refusals are counted. Each of the first addresses of a member or a
 * key within a minute has one of its own. Somebody who holds a token and changes the address with
 * each request gets one more, for all others together.
 */
function createNames({ clock }: { clock: Clock }) {
  const seen = new Map<string, { since: number; addresses: Set<string> }>();
  return (subject: string, address: string, rule: string): string => {
    const now = clock.now().getTime();
    const before = seen.get(subject);
    const isRecent = before !== undefined && now - before.since < MINUTE_MS;
    const entry = isRecent ? before : { since: now, addresses: new Set<string>() };
    const [oldest] = seen.keys();
    if (!before && seen.size >= MOST_REMEMBERED && oldest !== undefined) seen.delete(oldest);
    seen.set(subject, entry);
    if (entry.addresses.size < MOST_ADDRESSES) entry.addresses.add(address);
    // The others share one name whatever the rule: otherwise a tenant with many rules writes as many events.
    return entry.addresses.has(address) ? `${subject} ${address} ${rule}` : `${subject} others`;
  };
}

/**
 * Creates a recorder that writes one event a minute for the same member or key, address and rule; the
 * next event counts the refusals in between.
 */
export function createRefusalRecorder(
  deps: Pick<Kernel, 'db' | 'clock' | 'metrics'>,
): RefusalRecorder {
  const count = createQuietCounter(deps);
  const nameOf = createNames(deps);
  return {
    async record(ctx, who, { rule }) {
      const { tenantId, staffId, sessionId = null, apiKeyId } = who;
      const appliesTo = targetOf(who);
      deps.metrics.ipRuleRefusals.inc({ applies_to: appliesTo });
      const subject = apiKeyId === undefined ? `staff:${staffId}` : `api-key:${apiKeyId}`;
      const address = clientIp(ctx);
      const by = { ruleId: rule?.id ?? null, range: rule?.range ?? null };
      const name = nameOf(`${tenantId} ${subject}`, address ?? 'unknown', by.ruleId ?? '');
      await count(name, (repeated) =>
        deps.db.transaction((tx) =>
          recordAudit(tx, ctx, {
            action: 'IP_RULE_BLOCKED',
            outcome: 'denied',
            ...{ tenantId, sessionId, subject },
            actor: staffId,
            details: { address, ...by, appliesTo, repeated },
          }),
        ),
      );
    },
  };
}

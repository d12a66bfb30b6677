import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { ipRuleSets, ipRules } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import { canonicalRange } from './ruleRange';
import type { IpRule } from './ruleSet';

/** A rule with its author. */
export interface StoredRule extends IpRule {
  createdAt: Date;
  /** Null if nobody is known. */
  createdBy: string | null;
}

/** The rules of one tenant. */
export interface StoredSet {
  /** 0 if the tenant never had a rule. */
  version: number;
  trial: { startedAt: Date; endsAt: Date; startedBy: string; rules: StoredRule[] } | null;
  suspendedAt: Date | null;
  /** Those that are in force unless a trial runs. */
  rules: StoredRule[];
}

const NOTHING: StoredSet = { version: 0, trial: null, suspendedAt: null, rules: [] };

type SetRow = typeof ipRuleSets.$inferSelect;

/** Reads the rules of a tenant in the order of their ranges: allow before deny, people before keys. */
async function readRules(tx: Tx, tenantId: string) {
  const rows = await tx
    .select()
    .from(ipRules)
    .where(eq(ipRules.tenantId, tenantId))
    .orderBy(desc(ipRules.appliesTo), ipRules.action, ipRules.range);
  const of = (wanted: boolean): StoredRule[] =>
    rows
      .filter(({ trial }) => trial === wanted)
      .map(({ tenantId: _own, trial: _which, ...rule }) => ({
        ...rule,
        range: canonicalRange(rule.range),
      }));
  return { standing: of(false), trial: of(true) };
}

async function toSet(tx: Tx, row: SetRow, now: Date): Promise<StoredSet> {
  const { standing, trial } = await readRules(tx, row.tenantId);
  const { trialStartedAt: startedAt, trialEndsAt: endsAt, trialBy: startedBy } = row;
  const runs = startedAt && endsAt && startedBy && endsAt > now;
  return {
    version: row.version,
    trial: runs ? { startedAt, endsAt, startedBy, rules: trial } : null,
    suspendedAt: row.suspendedAt,
    rules: standing,
  };
}

/** Reads the rules of a tenant. A trial that is over is not shown, also if nobody has ended it yet. */
export function readRuleSet(db: Db | Tx, tenantId: string, now: Date): Promise<StoredSet> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx.select().from(ipRuleSets).where(eq(ipRuleSets.tenantId, tenantId));
    return row ? toSet(tx, row, now) : NOTHING;
  });
}

/**
 * Locks the set of a tenant, which is created if it has none, so that changes of it happen one after
 * the other. It writes nothing if there is one: each statement that writes locks the version of all
 * sets, also one without rows, and then the changes of all tenants would wait for each other.
 */
export async function lockRuleSet(tx: Tx, tenantId: string): Promise<void> {
  const lock = () =>
    tx
      .select({ tenantId: ipRuleSets.tenantId })
      .from(ipRuleSets)
      .where(eq(ipRuleSets.tenantId, tenantId))
      .for('update');
  if ((await lock()).length > 0) return;
  // Two first changes at once would both insert. The one that inserts nothing would lock the version
  // of all sets before the set itself, and could deadlock with a change that has locked the set.
  await tx.execute(
    sql`SELECT pg_advisory_xact_lock(hashtextextended(${`gatehouse first ip rules ${tenantId}`}, 0))`,
  );
  if ((await lock()).length > 0) return;
  await tx.insert(ipRuleSets).values({ tenantId, version: 0 }).onConflictDoNothing();
  await lock();
}

/** Removes all rules of a trial, or all others, and stores these in their place. */
export async function replaceRules(
  tx: Tx,
  tenantId: string,
  { trial, rules }: { trial: boolean; rules: readonly StoredRule[] },
): Promise<void> {
  await tx.delete(ipRules).where(and(eq(ipRules.tenantId, tenantId), eq(ipRules.trial, trial)));
  if (rules.length === 0) return;
  await tx.insert(ipRules).values(rules.map((rule) => ({ ...rule, tenantId, trial })));
}

/** Writes what has changed of the rules that are no trial. */
export async function writeRuleChanges(
  tx: Tx,
  tenantId: string,
  { gone, written }: { gone: readonly string[]; written: readonly StoredRule[] },
): Promise<void> {
  // A changed rule may take the range of another one, so both go before they come back.
  const ids = [...gone, ...written.map(({ id }) => id)];
  if (ids.length === 0) return;
  await tx
    .delete(ipRules)
    .where(and(eq(ipRules.tenantId, tenantId), eq(ipRules.trial, false), inArray(ipRules.id, ids)));
  if (written.length === 0) return;
  await tx.insert(ipRules).values(written.map((rule) => ({ ...rule, tenantId, trial: false })));
}

/** Writes the fields of a set that say how its rules apply. */
export async function updateRuleSet(
  tx: Tx,
  tenantId: string,
  set: Partial<Pick<SetRow, 'trialStartedAt' | 'trialEndsAt' | 'trialBy' | 'suspendedAt'>> & {
    updatedAt: Date;
  },
): Promise<void> {
  await tx.update(ipRuleSets).set(set).where(eq(ipRuleSets.tenantId, tenantId));
}

/** Puts the rules of a trial in the place of the others. */
export async function keepTrialRules(tx: Tx, tenantId: string): Promise<void> {
  await tx.delete(ipRules).where(and(eq(ipRules.tenantId, tenantId), eq(ipRules.trial, false)));
  await tx.update(ipRules).set({ trial: false }).where(eq(ipRules.tenantId, tenantId));
}

import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { PreparedStatement } from '../db';
import type { RunStatement } from '../db/runWithin';
import type { IpRule } from './ruleSet';

/** The set of a tenant, as the nodes read it. */
export interface ReadSet {
  tenantId: string;
  version: number;
  /** Milliseconds since the epoch; null if there is no trial. */
  trialEndsAt: number | null;
  suspended: boolean;
  /** All rules, those of a trial included; null if the set has the version that the reader knows. */
  rules: (IpRule & { trial: boolean })[] | null;
}

const VERSION: PreparedStatement = {
  name: 'ip_rules_version',
  text: "SELECT version::text FROM change_versions WHERE topic = 'ip_rules'",
};

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`;

/** Counts the rules of the sets that have changed: they are read in parts of about the same size. */
const LIST: PreparedStatement = {
  name: 'ip_rule_set_list',
  bypass: 'ip_rules',
  text: `SELECT s.tenant_id AS "tenantId", s.version, ${ms('s.trial_ends_at')} AS "trialEndsAt",
      s.suspended_at IS NOT NULL AS suspended,
      CASE WHEN ($1::jsonb ->> s.tenant_id::text) IS DISTINCT FROM s.version::text THEN (
        SELECT count(*)::int FROM ip_rules r WHERE r.tenant_id = s.tenant_id
      ) END AS changed
    FROM ip_rule_sets s`,
};

const SETS: PreparedStatement = {
  name: 'ip_rule_sets',
  bypass: 'ip_rules',
  text: `SELECT s.tenant_id AS "tenantId", s.version, ${ms('s.trial_ends_at')} AS "trialEndsAt",
      s.suspended_at IS NOT NULL AS suspended, (
        SELECT coalesce(json_agg(json_build_object('id', r.id, 'trial', r.trial, 'action', r.action,
          'appliesTo', r.applies_to, 'range', r.range::text, 'note', r.note, 'expiresAt', ${ms('r.expires_at')})), '[]')
        FROM ip_rules r WHERE r.tenant_id = s.tenant_id
      ) AS rules
    FROM ip_rule_sets s WHERE s.tenant_id = ANY ($1::uuid[])`,
};

/**
 * The most rules that one statement reads, except for a set that has more. The deadline of a statement
 * must not depend on how many rules all tenants have together.
 */
export const READ_AT_ONCE = 5000;

/** A set in the list. */
type ListedSet = Omit<ReadSet, 'rules'> & {
  /** How many rules it has; null if the reader knows them. */
  changed: number | null;
};

type StoredSet = Omit<ReadSet, 'rules'> & {
  rules: (Omit<IpRule, 'expiresAt'> & { trial: boolean; expiresAt: number | null })[];
};

/**
 * Reads a number that grows with each change of any tenant's rules.
 * @throws the driver's error
 */
export async function readRulesVersion(pool: Pool): Promise<string | undefined> {
  const [row] = await runPrepared<{ version: string }>(pool, VERSION, []);
  return row?.version;
}

/** Divides sets into parts of which each can be read in one statement. */
function divide(sets: readonly ListedSet[]): string[][] {
  const parts: string[][] = [];
  let size = Infinity;
  for (const { tenantId, changed } of sets) {
    // A set without rules is a row too.
    const own = 1 + (changed ?? 0);
    if (size + own > READ_AT_ONCE) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(tenantId);
    size += own;
  }
  return parts;
}

const toRead = ({ rules, ...set }: StoredSet): ReadSet => ({
  ...set,
  rules: rules.map(({ expiresAt, ...rule }) => ({
    ...rule,
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
  })),
});

/**
 * Reads the sets of all tenants, with the rules of those that are not known yet.
 * @param known the versions that the reader has, by tenant
 * @throws the driver's error
 */
export async function readRuleSets(
  run: RunStatement,
  known: ReadonlyMap<string, number>,
): Promise<ReadSet[]> {
  const listed = await run<ListedSet>(LIST, [JSON.stringify(Object.fromEntries(known))]);
  const isChanged = ({ changed }: ListedSet) => changed !== null;
  const sets: ReadSet[] = listed
    .filter((set) => !isChanged(set))
    .map(({ changed: _none, ...set }) => ({ ...set, rules: null }));
  for (const tenantIds of divide(listed.filter(isChanged))) {
    for (const set of await run<StoredSet>(SETS, [tenantIds])) sets.push(toRead(set));
  }
  return sets;
}

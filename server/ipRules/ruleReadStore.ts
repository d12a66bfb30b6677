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

const SETS: PreparedStatement = {
  name: 'ip_rule_sets',
  bypass: 'ip_rules',
  text: `SELECT s.tenant_id AS "tenantId", s.version, ${ms('s.trial_ends_at')} AS "trialEndsAt",
      s.suspended_at IS NOT NULL AS suspended,
      CASE WHEN ($1::jsonb ->> s.tenant_id::text) IS DISTINCT FROM s.version::text THEN (
        SELECT coalesce(json_agg(json_build_object('id', r.id, 'trial', r.trial, 'action', r.action,
          'appliesTo', r.applies_to, 'range', r.range::text, 'note', r.note, 'expiresAt', ${ms('r.expires_at')})), '[]')
        FROM ip_rules r WHERE r.tenant_id = s.tenant_id
      ) END AS rules
    FROM ip_rule_sets s`,
};

type StoredSet = Omit<ReadSet, 'rules'> & {
  rules: (Omit<IpRule, 'expiresAt'> & { trial: boolean; expiresAt: number | null })[] | null;
};

/**
 * Reads a number that grows with each change of any tenant's rules.
 * @throws the driver's error
 */
export async function readRulesVersion(pool: Pool): Promise<string | undefined> {
  const [row] = await runPrepared<{ version: string }>(pool, VERSION, []);
  return row?.version;
}

/**
 * Reads the sets of all tenants, with the rules of those that are not known yet.
 * @param known the versions that the reader has, by tenant
 * @throws the driver's error
 */
export async function readRuleSets(
  run: RunStatement,
  known: ReadonlyMap<string, number>,
): Promise<ReadSet[]> {
  const rows = await run<StoredSet>(SETS, [JSON.stringify(Object.fromEntries(known))]);
  return rows.map(({ rules, ...set }) => ({
    ...set,
    rules:
      rules?.map(({ expiresAt, ...rule }) => ({
        ...rule,
        expiresAt: expiresAt === null ? null : new Date(expiresAt),
      })) ?? null,
  }));
}

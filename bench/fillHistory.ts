import type { Client } from 'pg';

/**
 * The rows of one person after some years: 4 devices, 4 networks, 2 countries, 1 row of habits, 9
 * sessions.
 */
const ROWS_A_PERSON = 20;
const MOST_ASKED = 20_000;

const FILLS = [
  `INSERT INTO known_devices (tenant_id, user_id, staff_id, device_hash)
   SELECT tenant_id, user_id, staff_id, md5(staff_id::text || g) FROM strangers, generate_series(1, 4) g`,
  `INSERT INTO known_networks (tenant_id, user_id, staff_id, network)
   SELECT tenant_id, user_id, staff_id, 'AS' || g FROM strangers, generate_series(1, 4) g`,
  `INSERT INTO known_countries (tenant_id, user_id, staff_id, country)
   SELECT tenant_id, user_id, staff_id, c FROM strangers, unnest('{GB,JP}'::text[]) c`,
  `INSERT INTO staff_habits (tenant_id, user_id, staff_id) SELECT tenant_id, user_id, staff_id FROM strangers`,
  // Two of them are live.
  `INSERT INTO user_sessions (tenant_id, user_id, staff_id, country, revoked_at)
   SELECT tenant_id, user_id, staff_id, 'GB', CASE WHEN g > 2 THEN now() END FROM strangers, generate_series(1, 9) g`,
];

/**
 * Adds the history of people who do not exist, with only the rows that the scorer reads.
 * @returns the ids of some of them
 */
export async function fillHistory(
  client: Client,
  rows: number,
): Promise<[tenantId: string, staffId: string][]> {
  const people = Math.max(1, Math.floor(rows / ROWS_A_PERSON));
  // The rows have no users or staff. Foreign keys would triple the time without changing the
  // result.
  await client.query(`SET session_replication_role = replica; DROP TABLE IF EXISTS strangers`);
  await client.query(
    `CREATE TEMP TABLE strangers AS SELECT (SELECT id FROM tenants ORDER BY id LIMIT 1) AS tenant_id,
       gen_random_uuid() AS user_id, gen_random_uuid() AS staff_id FROM generate_series(1, ${people})`,
  );
  for (const fill of FILLS) await client.query(fill);
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
  const { rows: some } = await client.query<{ tenant_id: string; staff_id: string }>(
    'SELECT tenant_id, staff_id FROM strangers ORDER BY staff_id LIMIT $1',
    [MOST_ASKED],
  );
  return some.map(({ tenant_id, staff_id }) => [tenant_id, staff_id]);
}

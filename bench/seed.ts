import { randomBytes } from 'node:crypto';
import { hash } from 'argon2';
import { Client } from 'pg';
import { createAccessTokens } from '../server/auth';
import { hashRefreshToken, newRefreshToken } from '../server/auth/refreshTokenSecrets';
import type { ReadyConfig } from '../server/config';
import { uuidV7 } from '../server/db/ids';
import { createKeyRing } from '../server/keyRing';
import { identifyDevice } from '../server/security';

export const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';

const DAY_MS = 86_400_000;
const dayBefore = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
/**
 * The UTC days that hold the audit rows of the export: the last half year, as in a log that was
 * sealed continuously.
 */
export const EXPORT_RANGE = { from: dayBefore(182), to: dayBefore(0) };

export interface SeedSizes {
  /** Staff members, each with a live session, a chain of refresh tokens and a known device. */
  people: number;
  /** How many of them have an access token. */
  accessTokens: number;
  auditRows: number;
}

export interface Seeded {
  accessTokens: string[];
  refreshTokens: string[];
  emails: string[];
  password: string;
  passwordHash: string;
  officer: { tenantId: string; accessToken: string };
}

const PEOPLE = `CREATE TEMP TABLE people AS SELECT n, token_hash,
    gatehouse_uuid_v7() AS user_id, gatehouse_uuid_v7() AS staff_id, gatehouse_uuid_v7() AS session_id,
    (SELECT id FROM tenants WHERE slug = 'bench-' || n % 20) AS tenant_id
  FROM unnest($1::text[]) WITH ORDINALITY AS t(token_hash, n)`;

const STATEMENTS: ((values: { passwordHash: string; deviceHash: string }) => [string, string[]])[] =
  [
    ({ passwordHash }) => [
      `INSERT INTO users (id, email, password_hash)
       SELECT user_id, 'staff-' || n || '@example.com', $1 FROM people`,
      [passwordHash],
    ],
    () => [
      `INSERT INTO tenant_staff (id, tenant_id, user_id, permissions)
       SELECT staff_id, tenant_id, user_id, '{SETTINGS_SECURITY_VIEW}' FROM people`,
      [],
    ],
    () => [
      `INSERT INTO user_sessions (id, tenant_id, user_id, staff_id, remember_me, ip, user_agent)
       SELECT session_id, tenant_id, user_id, staff_id, true, '127.0.0.1', $1 FROM people`,
      [USER_AGENT],
    ],
    () => [
      `INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, session_id, remember_me,
         expires_at, absolute_expires_at, device_info)
       SELECT token_hash, tenant_id, user_id, staff_id, session_id, true,
         now() + interval '7 days', now() + interval '30 days', $1 FROM people`,
      [USER_AGENT],
    ],
    ({ deviceHash }) => [
      `INSERT INTO known_devices (tenant_id, user_id, staff_id, device_hash)
       SELECT tenant_id, user_id, staff_id, $1 FROM people`,
      [deviceHash],
    ],
    // The officer who exports is person 1. In this session the gate asks for a proof for each
    // export, so there is one verified challenge for each.
    () => [
      `INSERT INTO step_up_challenges (tenant_id, user_id, staff_id, session_id, origin, purpose,
         expires_at, verified_at, verified_method)
       SELECT tenant_id, user_id, staff_id, session_id, 'session', 'data_export',
         now() + interval '5 minutes', now(), 'totp' FROM people, generate_series(1, 50) WHERE n = 1`,
      [],
    ],
  ];

/** One half are refreshes, the rest sign-ins and sign-outs: half a year of a busy tenant. */
const AUDIT_ROWS = `INSERT INTO audit_logs (tenant_id, occurred_at, action, outcome, actor, subject,
    session_id, ip, country, user_agent, correlation_id, details)
  SELECT tenant_id, $1::date + g * ($2::date - $1::date) * interval '1 day' / ($3::int + 1),
    CASE g % 4 WHEN 0 THEN 'AUTH_LOGIN_SUCCEEDED' WHEN 1 THEN 'AUTH_LOGOUT' ELSE 'AUTH_TOKEN_REFRESH' END,
    'success', staff_id::text, 'token-family:' || session_id, session_id,
    '203.0.113.' || g % 250, 'NO', $4, gen_random_uuid()::text,
    CASE g % 4
      WHEN 0 THEN '{"score":0,"reasons":[],"rememberMe":true,"stepUp":false}'::jsonb
      WHEN 1 THEN '{"scope":"session"}'::jsonb
      ELSE '{}'::jsonb
    END
  FROM people, generate_series(1, $3::int) AS g WHERE n = 1`;

interface Person {
  n: string;
  tenant_id: string;
  user_id: string;
  session_id: string;
}

function issueTokens(config: ReadyConfig, people: readonly Person[]): string[] {
  const clock = { now: () => new Date() };
  const random = { bytes: randomBytes, id: () => uuidV7(Date.now(), randomBytes(16)) };
  const tokens = createAccessTokens(config, createKeyRing(config.secrets), clock, random);
  return people.map(
    (person) =>
      tokens.issue({
        userId: person.user_id,
        tenantId: person.tenant_id,
        sid: person.session_id,
        sessionVersion: 1,
        degraded: false,
      }).accessToken,
  );
}

/** Fills a migrated database with the data that the phases need. */
export async function seed(config: ReadyConfig, sizes: SeedSizes): Promise<Seeded> {
  const keys = createKeyRing(config.secrets);
  const random = { bytes: randomBytes, id: () => uuidV7(Date.now(), randomBytes(16)) };
  const password = 'a long enough password';
  const { memoryKib: memoryCost, timeCost } = config.argon2;
  const passwordHash = await hash(password, { memoryCost, timeCost, parallelism: 1 });
  const deviceHash = identifyDevice(keys, random, undefined, USER_AGENT).hashes[0] ?? '';
  const refreshTokens = Array.from({ length: sizes.people }, () => newRefreshToken(random));
  const client = new Client({ connectionString: config.databaseUrl });
  await client.connect();
  try {
    await client.query(`INSERT INTO tenants (slug, name)
      SELECT 'bench-' || g, 'Bench ' || g FROM generate_series(0, 19) AS g`);
    await client.query(PEOPLE, [refreshTokens.map((token) => hashRefreshToken(keys, token))]);
    for (const statement of STATEMENTS) {
      await client.query(...statement({ passwordHash, deviceHash }));
    }
    const { from, to } = EXPORT_RANGE;
    await client.query(AUDIT_ROWS, [from, to, sizes.auditRows, USER_AGENT]);
    const { rows: people } = await client.query<Person>(
      'SELECT * FROM people WHERE n <= $1 ORDER BY n',
      [sizes.accessTokens],
    );
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
    const accessTokens = issueTokens(config, people);
    return {
      accessTokens,
      refreshTokens,
      emails: refreshTokens.map((_token, index) => `staff-${index + 1}@example.com`),
      password,
      passwordHash,
      officer: { tenantId: people[0]?.tenant_id ?? '', accessToken: accessTokens[0] ?? '' },
    };
  } finally {
    await client.end();
  }
}

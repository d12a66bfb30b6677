import { Client } from 'pg';
import { hash } from 'argon2';
import { createKeyRing } from '../../../server/keyRing';
import type { Secrets } from '../../../server/config/keySettings';

/**
 * The member that regression tests sign in as. The password is from before the present rule on
 * length.
 */
export const SEEDED_EMAIL = 'test@example.com';
export const SEEDED_PASSWORD = 'Password123!';
export const SEEDED_TENANT = 'test-tenant';

/**
 * Puts one tenant with one member, and the checks of the keys, into the template, so that every
 * clone has them.
 * @param secrets the keys whose checks it is to hold
 */
export async function seedTemplate(url: string, secrets?: Secrets): Promise<void> {
  const passwordHash = await hash(SEEDED_PASSWORD, {
    memoryCost: 1024,
    timeCost: 1,
    parallelism: 1,
  });
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(
    `WITH tenant AS (
       INSERT INTO tenants (slug, name) VALUES ($1, 'Test Tenant') RETURNING id
     ), person AS (
       INSERT INTO users (email, password_hash) VALUES ($2, $3) RETURNING id
     )
     INSERT INTO tenant_staff (tenant_id, user_id) SELECT tenant.id, person.id FROM tenant, person`,
    [SEEDED_TENANT, SEEDED_EMAIL, passwordHash],
  );
  for (const key of secrets ? createKeyRing(secrets).checked : []) {
    await client.query(
      'INSERT INTO key_checks (setting, key_id, check_value) VALUES ($1, $2, $3)',
      [key.setting, key.keyId, key.prove()],
    );
  }
  await client.end();
}

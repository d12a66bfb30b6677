import { Client } from 'pg';
import { hash } from 'argon2';

/** The member that regression tests sign in as: a password from before today's length rule. */
export const SEEDED_EMAIL = 'test@example.com';
export const SEEDED_PASSWORD = 'Password123!';
export const SEEDED_TENANT = 'test-tenant';

/** Puts one tenant with one member into the template, so that every clone has them. */
export async function seedTemplate(url: string): Promise<void> {
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
  await client.end();
}

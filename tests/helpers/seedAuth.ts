import { randomBytes } from 'node:crypto';
import { hash } from 'argon2';
import { createAccessTokens } from '@/server/auth';
import type { ReadyConfig } from '@/server/config';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { refreshTokens, tenantStaff, tenants, userSessions, users } from '@/server/db/schema';
import { seedClock } from './time/seedClock';
import { seedSettings } from './server/seedSettings';

export interface SeedOptions {
  permissions?: string[];
  password?: string;
  /** Joins this tenant instead of making a new one. */
  tenantId?: string;
  email?: string;
  sessionAgeMs?: number;
}

export interface SeededAuth {
  token: string;
  accessToken: string;
  refreshToken: string;
  tenantId: string;
  tenantSlug: string;
  userId: string;
  staffId: string;
  sessionId: string;
  refreshTokenId: string;
  email: string;
  password: string;
}

/** Long enough for a file on a slow machine: most files do not test the end of a token. */
const ACCESS_TTL_SEC = 3600;

const id = () => uuidV7(Date.now(), randomBytes(16));

const hashes = new Map<string, Promise<string>>();

/** Hashes a password once: members with the same password share the hash, which saves time. */
function hashOnce(password: string, cost: ReadyConfig['argon2']): Promise<string> {
  const { memoryKib: memoryCost, timeCost } = cost;
  const key = JSON.stringify([password, memoryCost, timeCost]);
  const known = hashes.get(key) ?? hash(password, { memoryCost, timeCost, parallelism: 1 });
  hashes.set(key, known);
  return known;
}

/** Creates a member of a tenant with a live session and its tokens, like those of a login. */
export async function seedTestUserAndToken(options: SeedOptions = {}): Promise<SeededAuth> {
  const { config, keys } = seedSettings();
  const unique = randomBytes(5).toString('hex');
  const password = options.password ?? 'a long enough password';
  const email = options.email ?? `staff-${unique}@example.com`;
  const [tenantId, userId, staffId, sessionId, refreshTokenId] = [
    options.tenantId ?? id(),
    id(),
    id(),
    id(),
    id(),
  ];
  const tenantSlug = `tenant-${unique}`;
  const passwordHash = await hashOnce(password, config.argon2);
  const refreshToken = `ghr_${randomBytes(32).toString('base64url')}`;
  const expiresAt = new Date(Date.now() + 86_400_000);
  const owner = { tenantId, userId, staffId };
  await db.transaction(async (tx) => {
    if (!options.tenantId) {
      await tx.insert(tenants).values({ id: tenantId, slug: tenantSlug, name: `Tenant ${unique}` });
    }
    // Compared with times of the test's clock and with times of the database.
    const passwordChangedAt = new Date(Math.min(seedClock.now().getTime(), Date.now()));
    await tx.insert(users).values({ id: userId, email, passwordHash, passwordChangedAt });
    const permissions = options.permissions ?? [];
    await tx.insert(tenantStaff).values({ id: staffId, tenantId, userId, permissions });
    await tx.insert(userSessions).values({ ...owner, id: sessionId, expiresAt });
    await tx.insert(refreshTokens).values({
      ...owner,
      id: refreshTokenId,
      sessionId,
      expiresAt,
      absoluteExpiresAt: expiresAt,
      tokenHash: keys.hash('refresh-token', refreshToken).toString('hex'),
      rememberMe: true,
    });
  });
  const random = { bytes: randomBytes, id };
  const lasting = { ...config, accessTokenTtlSec: ACCESS_TTL_SEC };
  const { accessToken } = createAccessTokens(lasting, keys, seedClock, random).issue({
    userId,
    tenantId,
    sid: sessionId,
    sessionVersion: 1,
    degraded: false,
  });
  return {
    ...owner,
    token: accessToken,
    accessToken,
    refreshToken,
    tenantSlug,
    sessionId,
    refreshTokenId,
    email,
    password,
  };
}

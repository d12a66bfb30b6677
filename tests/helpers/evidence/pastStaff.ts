import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import {
  passkeys,
  recoveryCodes,
  refreshTokens,
  tenantStaff,
  userSessions,
  userTotp,
  users,
} from '@/server/db/schema';
import { writeEvents } from './auditReads';
import { seedTestUserAndToken } from '../seedAuth';

/** Returns a time in 2025, given without its year. */
export const at = (text: string) => new Date(`2025-${text}Z`);

export interface Member {
  tenantId: string;
  userId: string;
  staffId: string;
}

/** Inserts a member as SQL would, without an event. */
async function insertMember(
  tenantId: string,
  name: string,
  values: Partial<typeof tenantStaff.$inferInsert>,
): Promise<Member> {
  const [userId, staffId] = [randomUUID(), randomUUID()];
  const email = `${name}-${staffId}@example.com`;
  await db.insert(users).values({ id: userId, email, passwordHash: 'none' });
  await db.insert(tenantStaff).values({ id: staffId, tenantId, userId, ...values });
  return { tenantId, userId, staffId };
}

async function insertSession(
  member: Member,
  times: { createdAt: Date; expiresAt: Date; revokedAt?: Date },
  token?: { revokedAt: Date },
) {
  const id = randomUUID();
  await db.insert(userSessions).values({ ...member, id, ...times });
  if (!token) return;
  const tokenHash = randomUUID();
  const link = { ...member, sessionId: id, tokenHash, isRevoked: true };
  await db.insert(refreshTokens).values({ ...link, ...times, ...token });
}

const staffEvent = (
  { staffId }: Member,
  action: 'STAFF_CREATED' | 'STAFF_DISABLED' | 'STAFF_ENABLED' | 'STAFF_PERMISSIONS_CHANGED',
  occurredAt: Date,
  details: Record<string, unknown> = {},
) => ({
  action,
  occurredAt,
  subject: `staff:${staffId}`,
  actor: 'system',
  details: { ...details, via: 'operator' },
});

/** Joined before the range, left in it, and has returned since. */
async function seedAnn(tenantId: string): Promise<Member> {
  const ann = await insertMember(tenantId, 'ann', {
    createdAt: at('01-10T08:00:00'),
    permissions: ['C_C', 'A_A'],
  });
  const [createdAt, expiresAt] = [at('03-09T12:00:00'), at('04-09T12:00:00')];
  const live = { createdAt, expiresAt, revokedAt: at('03-10T12:07:30') };
  await insertSession(ann, live, { revokedAt: at('03-10T12:09:00') });
  // A token without a session, as an outage leaves it.
  const alone = { ...ann, tokenHash: randomUUID(), createdAt, expiresAt, isRevoked: true };
  await db.insert(refreshTokens).values({ ...alone, revokedAt: at('03-10T12:09:30') });
  await insertSession(ann, { createdAt, expiresAt, revokedAt: at('03-10T11:59:59') });
  await insertSession(ann, { createdAt: at('01-10T12:00:00'), expiresAt: at('02-10T12:00:00') });
  const before = ['A_A', 'B_B'];
  await writeEvents(tenantId, [
    staffEvent(ann, 'STAFF_DISABLED', at('03-10T12:00:00')),
    staffEvent(ann, 'STAFF_ENABLED', at('04-02T00:00:00'), { disabledAt: null }),
    staffEvent(ann, 'STAFF_PERMISSIONS_CHANGED', at('04-05T00:00:00'), { before, after: [] }),
    staffEvent(ann, 'STAFF_PERMISSIONS_CHANGED', at('04-06T00:00:00'), { before: [], after: [] }),
  ]);
  return ann;
}

/** Joined in the range, and has lost factors and access since. */
async function seedBob(tenantId: string): Promise<Member> {
  const disabledAt = at('04-10T00:00:00');
  const now = { permissions: ['Y_Y', 'Z_Z'], status: 'disabled' as const, disabledAt };
  const bob = await insertMember(tenantId, 'bob', { createdAt: at('03-03T08:00:00'), ...now });
  await writeEvents(tenantId, [
    staffEvent(bob, 'STAFF_CREATED', at('03-03T08:00:00.002'), { permissions: ['X_X', 'Y_Y'] }),
    staffEvent(bob, 'STAFF_PERMISSIONS_CHANGED', at('03-05T00:00:00'), {
      before: ['X_X', 'Y_Y'],
      after: ['Y_Y', 'Z_Z'],
    }),
    staffEvent(bob, 'STAFF_DISABLED', disabledAt),
  ]);
  const expiresAt = at('05-01T00:00:00');
  await insertSession(bob, { createdAt: at('03-20T10:00:00'), expiresAt });
  await insertSession(bob, { createdAt: at('04-09T10:00:00'), expiresAt });
  const key = {
    ...bob,
    name: 'Key',
    publicKey: Buffer.from([0]),
    transports: [],
    backedUp: false,
  };
  await db.insert(passkeys).values([
    { ...key, credentialId: randomUUID(), createdAt: at('03-04T00:00:00') },
    { ...key, credentialId: randomUUID(), createdAt: at('04-04T00:00:00') },
  ]);
  const secret = { ...bob, secretSealed: Buffer.from('x') };
  const [open, late] = [at('03-30T00:00:00'), at('04-01T00:00:00')];
  await db.insert(userTotp).values({ ...secret, createdAt: open, confirmedAt: late });
  const codes = { ...bob, createdAt: at('03-04T00:00:00') };
  await db.insert(recoveryCodes).values([
    { ...codes, codeHash: 'used', usedAt: at('03-31T00:00:00') },
    { ...codes, codeHash: 'left', usedAt: at('04-02T00:00:00') },
  ]);
  await writeRemovals(bob);
  return bob;
}

/**
 * In April, an operator replaces two authenticators, one of which was from March, and a passkey is
 * removed.
 */
async function writeRemovals(member: Member) {
  const [old, young, key] = [randomUUID(), randomUUID(), randomUUID()];
  const totp = { factor: 'totp', via: 'operator' };
  const passkey = { factor: 'passkey', via: 'api' };
  const removed = { action: 'FACTOR_REMOVED' as const };
  await writeEvents(member.tenantId, [
    {
      action: 'FACTOR_ENROLLED' as const,
      occurredAt: at('04-02T00:00:00'),
      subject: `factor:${young}`,
      actor: member.staffId,
      details: totp,
    },
    {
      ...removed,
      occurredAt: at('04-03T00:00:00'),
      subject: `staff:${member.staffId}`,
      details: { ...totp, factorIds: [old, young] },
    },
    {
      ...removed,
      occurredAt: at('04-04T00:00:00'),
      subject: `factor:${key}`,
      actor: member.staffId,
      details: passkey,
    },
  ]);
}

export interface PastStaff {
  ann: Member;
  bob: Member;
  /** Came and went by SQL, without a session. */
  carl: Member;
  /** Left, and still has a session that is alive. */
  eve: Member;
  /** Belongs to another tenant. */
  stranger: Member;
}

/** Inserts people who came, changed and left in March 2025, and after it. */
export async function seedPastStaff(tenantId: string): Promise<PastStaff> {
  const ann = await seedAnn(tenantId);
  const bob = await seedBob(tenantId);
  const disabled = { status: 'disabled' as const, disabledAt: at('03-20T00:00:00') };
  const carl = await insertMember(tenantId, 'carl', {
    createdAt: at('03-15T00:00:00'),
    ...disabled,
  });
  await insertMember(tenantId, 'dora', { createdAt: at('04-01T00:00:00') });
  const eve = await insertMember(tenantId, 'eve', { createdAt: at('03-01T00:00:00') });
  await insertSession(eve, {
    createdAt: at('03-02T00:00:00'),
    expiresAt: new Date('2099-01-01T00:00:00Z'),
  });
  await writeEvents(tenantId, [staffEvent(eve, 'STAFF_DISABLED', at('03-12T00:00:00'))]);
  await db.update(tenantStaff).set({ status: 'disabled' }).where(eq(tenantStaff.id, eve.staffId));
  const elsewhere = (await seedTestUserAndToken()).tenantId;
  const stranger = await insertMember(elsewhere, 'stranger', { createdAt: at('03-02T00:00:00') });
  await writeEvents(elsewhere, [
    staffEvent(stranger, 'STAFF_CREATED', at('03-02T00:00:00'), { permissions: [] }),
    staffEvent(stranger, 'STAFF_DISABLED', at('03-03T00:00:00')),
  ]);
  return { ann, bob, carl, eve, stranger };
}

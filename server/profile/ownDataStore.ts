import { and, asc, desc, eq, ne, not, sql } from 'drizzle-orm';
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Db } from '../db';
import { HAS_PASSWORD, PASSWORD_SET_AT } from '../db/ownPassword';
import {
  emailChanges,
  impersonationActs,
  impersonationConsents,
  impersonations,
  knownAddresses,
  knownCountries,
  knownDevices,
  knownNetworks,
  mails,
  scimUsers,
  staffHabits,
  stepUpChallenges,
  tenantStaff,
  tenants,
  userSessions,
  users,
} from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

/** A membership, and its person. */
export interface Whose {
  tenantId: string;
  userId: string;
  staffId: string;
}

interface Owned extends PgTable {
  tenantId: AnyPgColumn;
  staffId: AnyPgColumn;
}

const of = (table: Owned, { tenantId, staffId }: Whose) =>
  and(eq(table.tenantId, tenantId), eq(table.staffId, staffId));

/** Reads a person's account and this membership. */
export function readAccount(db: Db, { tenantId, staffId }: Whose) {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        profile: {
          userId: users.id,
          email: users.email,
          name: users.name,
          status: users.status,
          createdAt: users.createdAt,
          hasPassword: HAS_PASSWORD,
          passwordChangedAt: PASSWORD_SET_AT,
          passwordExpiredAt: users.passwordExpiredAt,
        },
        membership: {
          staffId: tenantStaff.id,
          roles: tenantStaff.roles,
          permissions: tenantStaff.permissions,
          status: tenantStaff.status,
          createdAt: tenantStaff.createdAt,
          endsAt: tenantStaff.endsAt,
        },
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId)));
    return row;
  });
}

/** Lists the tenants of which a person is a member, without anything else about them. */
export const listOwnTenants = (db: Db, userId: string) =>
  acrossTenants(db, 'person', (tx) =>
    tx
      .select({
        tenant: tenants.name,
        slug: tenants.slug,
        status: tenantStaff.status,
        since: tenantStaff.createdAt,
      })
      .from(tenantStaff)
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.userId, userId), ne(tenantStaff.status, 'removed')))
      .orderBy(asc(tenants.slug)),
  );

/** Lists the newest sessions of a membership, live or not, newest first. */
export const listOwnSessionRows = (db: Db, whose: Whose, limit: number) =>
  inTenant(db, whose.tenantId, (tx) =>
    tx
      .select({
        id: userSessions.id,
        createdAt: userSessions.createdAt,
        lastSeenAt: userSessions.lastSeenAt,
        expiresAt: userSessions.expiresAt,
        revokedAt: userSessions.revokedAt,
        revokeReason: userSessions.revokeReason,
        rememberMe: userSessions.rememberMe,
        ip: userSessions.ip,
        country: userSessions.country,
        network: userSessions.network,
        userAgent: userSessions.userAgent,
      })
      .from(userSessions)
      .where(of(userSessions, whose))
      .orderBy(desc(userSessions.createdAt))
      .limit(limit),
  );

/** Lists the newest step-up challenges of a membership, without their codes and hashes. */
export const listOwnChallenges = (db: Db, whose: Whose, limit: number) =>
  inTenant(db, whose.tenantId, (tx) =>
    tx
      .select({
        createdAt: stepUpChallenges.createdAt,
        origin: stepUpChallenges.origin,
        purpose: stepUpChallenges.purpose,
        act: stepUpChallenges.act,
        score: stepUpChallenges.score,
        reasons: stepUpChallenges.reasons,
        attempts: stepUpChallenges.attempts,
        verifiedAt: stepUpChallenges.verifiedAt,
        verifiedMethod: stepUpChallenges.verifiedMethod,
        consumedAt: stepUpChallenges.consumedAt,
        revokedAt: stepUpChallenges.revokedAt,
      })
      .from(stepUpChallenges)
      .where(of(stepUpChallenges, whose))
      .orderBy(desc(stepUpChallenges.createdAt))
      .limit(limit),
  );

/** Lists the changes of the address that were asked for in this tenant. */
export const listOwnEmailChanges = (db: Db, whose: Whose, limit: number) =>
  inTenant(db, whose.tenantId, (tx) =>
    tx
      .select({
        from: emailChanges.fromEmail,
        to: emailChanges.toEmail,
        createdAt: emailChanges.createdAt,
        expiresAt: emailChanges.expiresAt,
        confirmedAt: emailChanges.confirmedAt,
        endedAt: emailChanges.endedAt,
      })
      .from(emailChanges)
      .where(and(eq(emailChanges.userId, whose.userId), of(emailChanges, whose)))
      .orderBy(desc(emailChanges.createdAt))
      .limit(limit),
  );

/**
 * Lists the newest impersonations of a membership, with the other person and what was opened: those
 * in which somebody acted as the person, and those in which the person acted as somebody.
 * @param as the part that the person has in them
 */
export const listOwnImpersonations = (
  db: Db,
  { tenantId, staffId }: Whose,
  as: 'subject' | 'actor',
  limit: number,
) =>
  inTenant(db, tenantId, (tx) => {
    const { staffId: subject, actorStaffId: actor } = impersonations;
    const [own, other] = as === 'subject' ? [subject, actor] : [actor, subject];
    const { impersonationId, route, times, refused } = impersonationActs;
    const opened = tx
      .select({
        list: sql`coalesce(jsonb_agg(jsonb_build_object('route', ${route}, 'times', ${times}) ORDER BY ${route}), '[]')`,
      })
      .from(impersonationActs)
      .where(
        and(
          eq(impersonationActs.tenantId, impersonations.tenantId),
          eq(impersonationId, impersonations.id),
          not(refused),
        ),
      );
    return tx
      .select({
        id: impersonations.id,
        with: { staffId: tenantStaff.id, email: users.email, name: users.name },
        scope: impersonations.scope,
        reason: impersonations.reason,
        ticket: impersonations.ticket,
        consent: impersonations.consent,
        startedAt: impersonations.startedAt,
        expiresAt: impersonations.expiresAt,
        endedAt: impersonations.endedAt,
        endReason: impersonations.endReason,
        opened: sql<{ route: string; times: number }[]>`(${opened})`,
      })
      .from(impersonations)
      .innerJoin(
        tenantStaff,
        and(eq(tenantStaff.tenantId, impersonations.tenantId), eq(tenantStaff.id, other)),
      )
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(and(eq(impersonations.tenantId, tenantId), eq(own, staffId)))
      .orderBy(desc(impersonations.startedAt))
      .limit(limit);
  });

/** Reads the consent of a member to impersonations; null if they never gave one. */
export const readOwnConsent = (db: Db, whose: Whose) =>
  inTenant(db, whose.tenantId, async (tx) => {
    const { givenAt, expiresAt, withdrawnAt } = impersonationConsents;
    const [row] = await tx
      .select({ givenAt, expiresAt, withdrawnAt })
      .from(impersonationConsents)
      .where(of(impersonationConsents, whose));
    return row ?? null;
  });

/** Reads what the directory of the tenant says about a member; null if it has never known them. */
export const readOwnDirectory = (db: Db, whose: Whose) =>
  inTenant(db, whose.tenantId, async (tx) => {
    const { userName, externalId, displayName, email } = scimUsers;
    const { givenName, familyName, formattedName } = scimUsers;
    const { createdAt, updatedAt, deletedAt } = scimUsers;
    const [row] = await tx
      .select({
        ...{ userName, externalId, displayName, givenName, familyName, formattedName, email },
        ...{ createdAt, updatedAt, deletedAt },
      })
      .from(scimUsers)
      .where(of(scimUsers, whose));
    return row ?? null;
  });

/** Lists the newest mails to a member, without their content. */
export const listOwnMails = (db: Db, whose: Whose, limit: number) =>
  inTenant(db, whose.tenantId, (tx) =>
    tx
      .select({ kind: mails.kind, createdAt: mails.createdAt, sentAt: mails.sentAt })
      .from(mails)
      .where(of(mails, whose))
      .orderBy(desc(mails.createdAt))
      .limit(limit),
  );

interface Known extends Owned {
  firstSeenAt: AnyPgColumn<{ data: Date; notNull: true }>;
  lastSeenAt: AnyPgColumn<{ data: Date; notNull: true }>;
}

const seen = ({ firstSeenAt, lastSeenAt }: Known) => ({ firstSeenAt, lastSeenAt });

/**
 * Reads what the risk scorer has learned about a member. Devices and addresses are stored as keyed
 * hashes, which mean nothing to the reader, so only their times are returned.
 */
export function readOwnHabits(db: Db, whose: Whose, limit: number) {
  return inTenant(db, whose.tenantId, async (tx) => {
    const newest = <Table extends Known>(table: Table) => desc(table.lastSeenAt);
    const devices = await tx
      .select(seen(knownDevices))
      .from(knownDevices)
      .where(of(knownDevices, whose))
      .orderBy(newest(knownDevices))
      .limit(limit);
    const addresses = await tx
      .select(seen(knownAddresses))
      .from(knownAddresses)
      .where(of(knownAddresses, whose))
      .orderBy(newest(knownAddresses))
      .limit(limit);
    const networks = await tx
      .select({ network: knownNetworks.network, ...seen(knownNetworks) })
      .from(knownNetworks)
      .where(of(knownNetworks, whose))
      .orderBy(newest(knownNetworks))
      .limit(limit);
    const countries = await tx
      .select({ country: knownCountries.country, ...seen(knownCountries) })
      .from(knownCountries)
      .where(of(knownCountries, whose))
      .orderBy(newest(knownCountries))
      .limit(limit);
    const [hours] = await tx
      .select({ loginsByHourUtc: staffHabits.hours, lastLoginAt: staffHabits.lastLoginAt })
      .from(staffHabits)
      .where(of(staffHabits, whose));
    return { devices, addresses, networks, countries, hours: hours ?? null };
  });
}

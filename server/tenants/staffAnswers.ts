import { z } from 'zod';
import { accountStatus } from '../db/schema';
import { moment, nextCursor, rowId } from '../http/answers';

const factorCounts = z.object({ totp: z.int(), passkeys: z.int(), recoveryCodes: z.int() });

/** A member of the tenant. */
export const shownMember = z
  .object({
    staffId: rowId,
    email: z.string().meta({ examples: ['ada@example.com'] }),
    name: z.string().nullable(),
    status: z.enum(accountStatus.enumValues),
    roles: z.array(z.object({ id: z.string(), name: z.string() })),
    permissions: z.array(z.string()),
    factors: factorCounts,
    locked: z.array(
      z.object({
        what: z.enum(['password', 'second_factor']),
        since: moment,
        until: moment.nullable(),
      }),
    ),
    sessions: z.int().nullable().meta({ description: 'Null while sessions cannot be read' }),
    createdAt: moment,
    disabledAt: moment.nullable(),
    removedAt: moment.nullable(),
    endsAt: moment.nullable().meta({ description: 'When the membership ends by itself' }),
    lastSeenAt: moment.nullable(),
  })
  .meta({ id: 'Member' });

/** A page of members. */
export const shownMembers = z
  .object({ staff: z.array(shownMember), nextCursor })
  .meta({ id: 'MemberPage' });

/** The access of a member in effect. */
export const changedAccess = z
  .object({ staffId: rowId, roles: z.array(z.string()), permissions: z.array(z.string()) })
  .meta({ id: 'ChangedAccess' });

/** The end of a membership. */
export const changedEnd = z
  .object({ staffId: rowId, endsAt: moment.nullable() })
  .meta({ id: 'ChangedMembershipEnd' });

/** The factors that were removed. */
export const removedFactors = z
  .object({
    removed: factorCounts,
    proofs: z
      .array(z.string())
      .meta({ description: 'The proofs that the next login can be asked for' }),
  })
  .meta({ id: 'RemovedFactors' });

/** The members whose sessions ended. */
export const endedSessions = z
  .object({
    ended: z.int(),
    skipped: z.int().meta({ description: 'Members beyond your permissions' }),
  })
  .meta({ id: 'EndedSessions' });

import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

const names = z.array(z.string());
const delivery = z.enum(['mail', 'link']);
const entity = { type: 'Invitation', name: 'invitation' };

/**
 * The actions on invitations. The events hold neither the address nor the link nor a code: the
 * address is in the invitation's row.
 */
export const INVITATION_ACTIONS = {
  INVITATION_CREATED: {
    details: z.strictObject({
      // The ids of the roles, the permissions that are given directly, and both together.
      roles: names,
      permissions: names,
      gives: names,
      delivery,
      expiresAt: z.string(),
      // The end of the membership, if it has one.
      membershipEndsAt: z.string().optional(),
      via,
      requestedBy: z.string().optional(),
      approvedBy: z.string().optional(),
      secondsToEffect: z.number().min(0).optional(),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'Somebody was invited to a tenant',
      entity,
    },
  },
  // The earlier link of the invitation ends.
  INVITATION_RESENT: {
    details: z.strictObject({ delivery, expiresAt: z.string(), via }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'An invitation was sent again',
      entity,
    },
  },
  // `inviter_left`: the inviter was disabled or removed. `invited_left`: the invited person was.
  // `not_valid`: the inviter may no longer give it, or the person is a member. `replaced`: it had expired, and
  // another one took its place.
  INVITATION_REVOKED: {
    details: z.strictObject({
      reason: z.enum([
        'revoked',
        'inviter_left',
        'invited_left',
        'not_valid',
        'replaced',
        'tenant_deleted',
      ]),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'An invitation was revoked',
      entity,
    },
  },
  // The membership that it made has a STAFF_CREATED of its own.
  INVITATION_ACCEPTED: {
    details: z.strictObject({
      staffId: z.string(),
      delivery,
      // How the person was recognised. By the mail alone if they are new, or had no password until then.
      by: z.enum(['new_person', 'first_password', 'password', 'session']),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'An invitation was accepted',
      entity,
    },
  },
} satisfies ActionGroup;

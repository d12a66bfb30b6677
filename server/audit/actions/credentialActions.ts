import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

/** `recovery_code` stands for the whole set of a person's recovery codes. */
const factor = z.enum(['totp', 'passkey', 'recovery_code']);

/** Present if the person had no password before. */
const first = z.literal(true).optional();

/** The actions that change people's passwords and factors. */
export const CREDENTIAL_ACTIONS = {
  PASSWORD_EXPIRED: {
    details: z.strictObject({ via }),
    ocsf: {
      class: 'account',
      activity: 'Password Expiry',
      severity: 'High',
      message: 'A password was expired because somebody else knew it',
    },
  },
  PASSWORD_CHANGED: {
    // `reset_link`: with a link or a code that was mailed to the person. The mail may also be an invitation of another
    // tenant, which this tenant's log must not say.
    details: z.strictObject({ with: z.enum(['current_password', 'reset_link']), first }),
    ocsf: {
      class: 'account',
      activity: 'Password Change',
      severity: 'Low',
      message: 'A person changed their password',
    },
  },
  // The current password was wrong, or was not checked because too many tries had failed.
  PASSWORD_CHANGE_REFUSED: {
    details: z.strictObject({
      reason: z.enum(['wrong_password', 'account_locked']),
    }),
    ocsf: {
      class: 'account',
      activity: 'Password Change Refusal',
      severity: 'Medium',
      message: 'A change of a password was refused',
    },
  },
  PASSWORD_RESET_REQUESTED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'account',
      activity: 'Password Reset Request',
      severity: 'Low',
      message: 'A link for a new password was mailed to a person',
    },
  },
  PASSWORD_SET: {
    details: z.strictObject({ via, first }),
    ocsf: {
      class: 'account',
      activity: 'Password Reset',
      severity: 'Medium',
      message: 'A person was given another password',
    },
  },
  // A passkey is, or was, synced between devices. That is no reason to refuse it, but it should be visible.
  PASSKEY_SIGNAL: {
    details: z.strictObject({
      signal: z.enum(['counter_stalled', 'backed_up', 'backup_ended']),
    }),
    ocsf: {
      class: 'account',
      activity: 'MFA Factor Signal',
      severity: 'Low',
      message: 'A passkey showed that it is synced, or its backup changed',
    },
  },
  FACTOR_ENROLLMENT_STARTED: {
    details: z.strictObject({ factor }),
    ocsf: {
      class: 'account',
      activity: 'MFA Factor Enrollment',
      severity: 'Informational',
      message: 'Enrolling a second factor was begun',
      has: ['factor'],
    },
  },
  // `factorIds` is set if the subject is the owner of the factors: an operator acted, or several factors may go at
  // once.
  FACTOR_ENROLLED: {
    details: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
    ocsf: {
      class: 'account',
      activity: 'MFA Factor Enable',
      severity: 'Low',
      message: 'A second factor was enrolled',
      has: ['factor'],
    },
  },
  FACTOR_REMOVED: {
    details: z.strictObject({ factor, via, factorIds: z.array(z.uuid()).optional() }),
    ocsf: {
      class: 'account',
      activity: 'MFA Factor Disable',
      severity: 'Medium',
      message: 'A second factor was removed',
      has: ['factor'],
    },
  },
  // Somebody else removed all factors of a membership, which has a FACTOR_REMOVED for each kind.
  FACTORS_RESET: {
    details: z.strictObject({
      reason: z.string(),
      requestedBy: z.string().optional(),
      secondsToEffect: z.number().min(0).optional(),
      via,
    }),
    ocsf: {
      class: 'account',
      activity: 'MFA Factor Reset',
      severity: 'Medium',
      message: 'All second factors of a staff member were removed by somebody else',
    },
  },
  PASSWORD_REHASHED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'account',
      activity: 'Password Rehash',
      severity: 'Informational',
      message: 'The same password was hashed with newer parameters',
    },
  },
} satisfies ActionGroup;

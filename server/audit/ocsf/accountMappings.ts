import type { AuditAction } from '../actions';
import type { OcsfMapping } from './classes';

/** Those of the mappings that are about people's accounts: staff, passwords and factors. */
export const ACCOUNT_MAPPINGS = {
  FACTOR_ENROLLMENT_STARTED: {
    class: 'account',
    activity: 'MFA Factor Enrollment',
    severity: 'Informational',
    message: 'Enrolling a second factor was begun',
    has: ['factor'],
  },
  FACTOR_ENROLLED: {
    class: 'account',
    activity: 'MFA Factor Enable',
    severity: 'Low',
    message: 'A second factor was enrolled',
    has: ['factor'],
  },
  FACTOR_REMOVED: {
    class: 'account',
    activity: 'MFA Factor Disable',
    severity: 'Medium',
    message: 'A second factor was removed',
    has: ['factor'],
  },
  PASSWORD_EXPIRED: {
    class: 'account',
    activity: 'Password Expiry',
    severity: 'High',
    message: 'A password that somebody else knew was expired',
  },
  PASSWORD_REHASHED: {
    class: 'account',
    activity: 'Password Rehash',
    severity: 'Informational',
    message: 'The same password was hashed with newer parameters',
  },
  STAFF_CREATED: {
    class: 'account',
    activity: 'Create',
    severity: 'Low',
    message: 'A staff member was created',
  },
  STAFF_DISABLED: {
    class: 'account',
    activity: 'Disable',
    severity: 'Low',
    message: 'A staff member was disabled',
  },
  STAFF_ENABLED: {
    class: 'account',
    activity: 'Enable',
    severity: 'Low',
    message: 'A staff member was enabled',
  },
  STAFF_PERMISSIONS_CHANGED: {
    class: 'account',
    activity: 'Permissions Change',
    severity: 'Low',
    message: 'The permissions of a staff member were changed',
  },
  STAFF_UNLOCKED: {
    class: 'account',
    activity: 'Unlock',
    severity: 'Low',
    message: 'A staff member was unlocked',
  },
  STAFF_COMPROMISED: {
    class: 'finding',
    activity: 'Create',
    severity: 'High',
    message: 'Sessions of a staff member were in other hands; what they taught was forgotten',
    has: ['alert'],
  },
} as const satisfies Partial<Record<AuditAction, OcsfMapping>>;

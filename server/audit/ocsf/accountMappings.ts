import type { AuditAction } from '../actions';
import type { OcsfMapping } from './classes';

/** The OCSF mappings of changes to people's passwords and factors. */
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
  PASSKEY_SIGNAL: {
    class: 'account',
    activity: 'MFA Factor Signal',
    severity: 'Low',
    message: 'A passkey showed that it is synced, or its backup changed',
  },
  PASSWORD_SET: {
    class: 'account',
    activity: 'Password Reset',
    severity: 'Medium',
    message: 'A person was given another password',
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
} as const satisfies Partial<Record<AuditAction, OcsfMapping>>;

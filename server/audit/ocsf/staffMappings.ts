import type { AuditAction } from '../actions';
import type { OcsfMapping } from './classes';

type StaffAction = Extract<AuditAction, `STAFF_${string}` | `TENANT_${string}`>;

/** The OCSF mappings of changes to tenants and their staff. */
export const STAFF_MAPPINGS: Readonly<Record<StaffAction, OcsfMapping>> = {
  TENANT_CREATED: {
    class: 'entity',
    activity: 'Create',
    severity: 'Low',
    message: 'A tenant was created',
    entity: { type: 'Organization', name: 'tenant' },
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
  STAFF_EMAIL_CHANGED: {
    class: 'account',
    activity: 'Email Address Change',
    severity: 'Low',
    message: 'The e-mail address of a staff member was changed',
  },
};

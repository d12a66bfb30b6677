import type { AuditAction } from '../actions';
import type { OcsfMapping } from './classes';

/** The OCSF mappings of events that show that somebody tries what they may not do. */
export const ATTACK_MAPPINGS = {
  LOGIN_TENANTS_OFFERED: {
    class: 'authentication',
    activity: 'Tenant Choice',
    severity: 'Informational',
    message: 'A right password was answered with the tenants to choose from',
  },
  LOGIN_SPRAY_DETECTED: {
    class: 'finding',
    activity: 'Create',
    severity: 'High',
    message: 'Sign-ins failed on many accounts: somebody may be spraying passwords',
    has: ['alert', 'evidence'],
  },
  PERMISSION_DENIED: {
    class: 'api',
    activity: 'Permission Check',
    severity: 'Low',
    message: 'A request was refused because a permission is missing',
    disposition: 'Blocked',
  },
} as const satisfies Partial<Record<AuditAction, OcsfMapping>>;

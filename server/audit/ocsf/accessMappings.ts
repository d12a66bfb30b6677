import type { AuditAction } from '../actions';
import type { OcsfMapping } from './classes';

type Mappings = Partial<Record<AuditAction, OcsfMapping>>;

/** The OCSF mappings of impersonation: acting as somebody else. */
export const IN_SOMEBODYS_PLACE = {
  IMPERSONATION_STARTED: {
    class: 'authentication',
    activity: 'Account Switch',
    severity: 'Medium',
    message: 'Somebody began to act as somebody else',
    has: ['impersonation'],
  },
  IMPERSONATION_ENDED: {
    class: 'authentication',
    activity: 'Impersonation End',
    severity: 'Informational',
    message: 'Somebody stopped acting as somebody else',
    has: ['impersonation'],
  },
} as const satisfies Mappings;

/** The OCSF mappings of the rules that allow or refuse addresses. */
export const IP_RULES = {
  IP_RULE_CREATED: {
    class: 'entity',
    activity: 'Create',
    severity: 'Low',
    message: 'A rule for addresses was created',
    entity: { type: 'IP Rule', name: 'IP rule' },
  },
  IP_RULE_UPDATED: {
    class: 'entity',
    activity: 'Update',
    severity: 'Low',
    message: 'A rule for addresses was changed',
    entity: { type: 'IP Rule', name: 'IP rule' },
  },
  IP_RULE_DELETED: {
    class: 'entity',
    activity: 'Delete',
    severity: 'Low',
    message: 'A rule for addresses was deleted',
    entity: { type: 'IP Rule', name: 'IP rule' },
  },
} as const satisfies Mappings;

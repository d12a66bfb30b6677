import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { provenance, via } from './detailFields';

const kind = z.enum(['member', 'role', 'invitation', 'policy']);
/** The member, role or other thing that the change is about, as `kind:id`; null for a new one. */
const about = z.string().nullable();
const entity = { type: 'Approval Request', name: 'approval request' };
const decision = z.strictObject({
  kind,
  about,
  /** The staff id of the member who asked. */
  requestedBy: z.string(),
  via,
});
const policy = z.strictObject({ needsApproval: z.boolean() });

/** The actions on changes that wait for a second administrator, and the policy that makes them wait. */
export const APPROVAL_ACTIONS = {
  // `given`: the permissions that somebody would hold in addition. The effect has an event of its own.
  APPROVAL_REQUESTED: {
    details: z.strictObject({
      kind,
      about,
      given: z.array(z.string()),
      reason: z.string().optional(),
      expiresAt: z.string(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: "A member asked for a second administrator's approval",
      entity,
    },
  },
  APPROVAL_GIVEN: {
    details: decision,
    ocsf: {
      class: 'entity',
      activity: 'Approval',
      severity: 'Low',
      message: "A second administrator approved a member's change",
      entity,
    },
  },
  APPROVAL_REFUSED: {
    details: decision,
    ocsf: {
      class: 'entity',
      activity: 'Refusal',
      severity: 'Low',
      message: "A member's change was refused",
      entity,
    },
  },
  APPROVAL_WITHDRAWN: {
    details: decision,
    ocsf: {
      class: 'entity',
      activity: 'Withdrawal',
      severity: 'Informational',
      message: 'A member withdrew the request for an approval',
      entity,
    },
  },
  // Somebody tried to approve it, but it no longer meant what was asked for.
  APPROVAL_OUTDATED: {
    details: decision,
    ocsf: {
      class: 'entity',
      activity: 'Expiry',
      severity: 'Informational',
      message: 'A request for an approval ended because it was outdated',
      entity,
    },
  },
  TENANT_POLICY_CHANGED: {
    details: z.strictObject({ before: policy, after: policy, via, ...provenance }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'The rule about second approvals of a tenant was changed',
      entity: { type: 'Organization', name: 'tenant' },
    },
  },
} satisfies ActionGroup;

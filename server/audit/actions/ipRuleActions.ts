import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

/** The properties of a rule. */
const rule = z.strictObject({
  action: z.enum(['allow', 'deny']),
  appliesTo: z.enum(['people', 'api_keys']),
  range: z.string(),
  note: z.string(),
  expiresAt: z.string().nullable(),
});
/** The rule was changed in a trial, and is as it was before after this moment unless somebody confirms the trial. */
const trialEndsAt = z.string().optional();
/** The change refused the address of its author, who had confirmed that. */
const confirmedLockout = z.literal(true).optional();
const entity = { type: 'IP Rule', name: 'IP rule' };
const setEntity = { type: 'IP Rule Set', name: 'IP rules' };

/** The actions on IP rules, and what the rules refuse. */
export const IP_RULE_ACTIONS = {
  IP_RULE_CREATED: {
    details: z.strictObject({ after: rule, trialEndsAt, confirmedLockout }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'Low',
      message: 'A rule for addresses was created',
      entity,
    },
  },
  IP_RULE_UPDATED: {
    details: z.strictObject({ before: rule, after: rule, trialEndsAt, confirmedLockout }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A rule for addresses was changed',
      entity,
    },
  },
  IP_RULE_DELETED: {
    details: z.strictObject({ before: rule, trialEndsAt, confirmedLockout }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Low',
      message: 'A rule for addresses was deleted',
      entity,
    },
  },
  IP_RULES_TRIAL_STARTED: {
    details: z.strictObject({
      endsAt: z.string(),
      rules: z.number().int().min(0),
      confirmedLockout,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A trial of rules for addresses began',
      entity: setEntity,
    },
  },
  IP_RULES_TRIAL_CONFIRMED: {
    details: z.strictObject({ startedBy: z.string(), rules: z.number().int().min(0) }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'The rules of a trial were kept',
      entity: setEntity,
    },
  },
  // The rules of before are in force again.
  IP_RULES_TRIAL_ENDED: {
    details: z.strictObject({
      reason: z.enum(['expired', 'withdrawn']),
      startedBy: z.string(),
      endedAt: z.string(),
      confirmedLockout,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'A trial of rules for addresses ended, and the rules of before are in force again',
      entity: setEntity,
    },
  },
  IP_RULES_SUSPENDED: {
    details: z.strictObject({ via }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'High',
      message: 'All rules for addresses of a tenant were suspended',
      entity: setEntity,
    },
  },
  IP_RULES_RESUMED: {
    details: z.strictObject({ via, confirmedLockout }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Low',
      message: 'The rules for addresses of a tenant are in force again',
      entity: setEntity,
    },
  },
  // `ruleId` is null if no allow rule holds the address; the address is null if it is not known. `repeated` counts the
  // refusals since the event before.
  IP_RULE_BLOCKED: {
    details: z.strictObject({
      address: z.string().nullable(),
      ruleId: z.string().nullable(),
      range: z.string().nullable(),
      appliesTo: z.enum(['people', 'api_keys']),
      repeated: z.number().int().min(0),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Address Refusal',
      severity: 'Medium',
      message: 'A rule for addresses refused a member or an API key',
      disposition: 'Blocked',
      entity,
    },
  },
} satisfies ActionGroup;

import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { BUILT_IN_PURPOSES } from '../../db/schema';
import { reasons, score } from './detailFields';

const verdict = z.enum(['legitimate', 'suspicious']);

const policy = z.strictObject({
  stepUpFrom: z.number().int(),
  highRiskFrom: z.number().int(),
  highRiskAction: z.enum(['block', 'step_up']),
  monitor: z.boolean(),
  weights: z.record(z.string(), z.number().int()),
  stepUpWindowsSec: z.record(z.enum(BUILT_IN_PURPOSES), z.number().int()),
  methods: z.array(z.string()),
  secondFactor: z.enum(['by_risk', 'if_enrolled', 'always']),
  whenSkipped: z.enum(['allow', 'prove']),
  maxSessions: z.number().int(),
});

/** The actions of risk scoring and of its policy. */
export const RISK_ACTIONS = {
  SUSPICIOUS_LOGIN_DETECTED: {
    details: z.strictObject({
      at: z.enum(['login', 'refresh']),
      score,
      reasons,
      // `monitored`: the tenant's policy only observes.
      decision: z.enum(['step_up', 'block', 'allowed_by_step_up', 'monitored']),
    }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'Medium',
      message: 'A sign-in or a refresh looked suspicious',
      has: ['score', 'evidence'],
    },
  },
  ANOMALY_CHECK_SKIPPED: {
    details: z.strictObject({
      at: z.enum(['login', 'refresh']),
      cause: z.enum(['error', 'timeout', 'breaker_open', 'schema_missing_tables']),
    }),
    ocsf: {
      class: 'error',
      activity: 'General Error',
      severity: 'Medium',
      message: 'A sign-in or a refresh could not be scored and went on unscored',
    },
  },
  LOGIN_BLOCKED: {
    details: z.strictObject({ at: z.enum(['login', 'refresh']), score, reasons }),
    ocsf: [
      {
        class: 'authentication',
        activity: 'Token Refresh',
        severity: 'High',
        message: 'A refresh was blocked for its risk',
        where: { detail: 'at', is: 'refresh' },
        disposition: 'Blocked',
        has: ['score'],
      },
      {
        class: 'authentication',
        activity: 'Logon',
        severity: 'High',
        message: 'A sign-in was blocked for its risk',
        disposition: 'Blocked',
        has: ['score'],
      },
    ],
  },
  RISK_POLICY_CHANGED: {
    details: z.strictObject({
      version: z.number().int().min(1),
      before: policy,
      after: policy,
      // The people whom the new policy leaves without a usable proof. Present only if the author forced the change.
      lockedOut: z.array(z.uuid()).optional(),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'The risk policy was changed',
      entity: { type: 'Policy', name: 'risk policy' },
    },
  },
  RISK_VERDICT_GIVEN: {
    details: z.strictObject({
      staffId: z.uuid(),
      score,
      verdict,
      note: z.string().nullable(),
      before: verdict.nullable(),
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Informational',
      message: 'Somebody judged a risk decision',
      entity: { type: 'Risk Decision', name: 'risk decision' },
    },
  },
} satisfies ActionGroup;

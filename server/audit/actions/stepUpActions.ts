import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { stepUpPurpose } from '../../stepUpPurpose';

const origin = z.enum(['login', 'refresh', 'session']);

/** The actions of further proofs of identity. */
export const STEP_UP_ACTIONS = {
  STEP_UP_REQUIRED: {
    details: z.strictObject({
      purpose: stepUpPurpose,
      origin,
      methods: z.array(z.string()),
      act: z.string().optional(),
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Step-up Request',
      severity: 'Informational',
      message: 'A further proof of identity was asked for',
      disposition: 'Challenge',
    },
  },
  STEP_UP_VERIFIED: {
    details: z.strictObject({
      purpose: stepUpPurpose,
      origin,
      method: z.string(),
      act: z.string().optional(),
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Step-up',
      severity: 'Informational',
      message: 'A further proof of identity was given',
      has: ['factor'],
    },
  },
  STEP_UP_CONSUMED: {
    details: z.strictObject({ purpose: stepUpPurpose, act: z.string(), staffId: z.string() }),
    ocsf: {
      class: 'authentication',
      activity: 'Step-up Use',
      severity: 'Informational',
      message: "A further proof of identity was used for one act in the team's own API",
    },
  },
  STEP_UP_FAILED: {
    details: z.strictObject({
      purpose: stepUpPurpose,
      origin,
      reason: z.enum([
        'wrong_code',
        'code_already_used',
        'account_budget',
        'factor_unreadable',
        'wrong_passkey',
        'passkey_copied',
      ]),
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Step-up',
      severity: 'Low',
      message: 'A further proof of identity was wrong',
    },
  },
} satisfies ActionGroup;

import { z } from 'zod';
import { LONGEST_STEP_UP_WINDOW_SEC } from '../../config/sessionSettings';
import { MINUTE_SEC } from '../../durations';
import type { Weights } from './score';
import { STEP_UP_METHODS } from '../stepUp/stepUpMethods';
import { SIGNALS } from './signals';

const SIGNAL_CODES = SIGNALS.map(({ code }) => code);
const threshold = z.int().min(1).max(100);
const windowSec = z.int().min(30).max(LONGEST_STEP_UP_WINDOW_SEC);
const weight = z.int().min(0).max(100);

const fields = {
  /** A score of at least this asks for a step-up. */
  stepUpFrom: threshold,
  /** A score of at least this triggers `highRiskAction`. */
  highRiskFrom: threshold,
  highRiskAction: z.enum(['block', 'step_up']),
  /** Decide and record, but enforce nothing. */
  monitor: z.boolean(),
  /** Replaces the weight of single signals, by code; 0 turns a signal off. */
  weights: z
    .partialRecord(z.enum(SIGNAL_CODES), weight)
    // JSON has no undefined.
    .transform((weights) => weights as Weights),
  /** The greatest age of a proof at a guarded route, by purpose, in seconds. */
  stepUpWindowsSec: z.strictObject({
    security_settings: windowSec,
    data_export: windowSec,
    impersonation: windowSec,
  }),
  /** The proofs that count. */
  methods: z
    .array(z.enum(STEP_UP_METHODS))
    .min(1)
    .max(STEP_UP_METHODS.length)
    .refine((methods) => new Set(methods).size === methods.length, 'must not repeat a method'),
};

/** Fields added later. If an older client sends a policy without them, they keep their values. */
const later = {
  /** Whether a login needs a second factor whatever its score. */
  secondFactor: z.enum(['by_risk', 'if_enrolled', 'always']),
  /** The effect of a skipped check on people who have a factor. */
  whenSkipped: z.enum(['allow', 'prove']),
  /** The most live sessions of one person; beyond it the oldest end. */
  maxSessions: z.int().min(1).max(500),
};

/**
 * A policy as a client sends it. It must be complete, so that a client changes nothing that it has
 * not seen.
 */
export const riskPolicy = z
  .strictObject({ ...fields, ...z.object(later).partial().shape })
  .refine(({ stepUpFrom, highRiskFrom }) => stepUpFrom <= highRiskFrom, {
    message: 'must not be below stepUpFrom',
    path: ['highRiskFrom'],
  });

/** A policy as it was sent. */
export type SentPolicy = z.infer<typeof riskPolicy>;

const whole = z.object({ ...fields, ...later });

export type RiskPolicy = z.infer<typeof whole>;

export const DEFAULT_POLICY: RiskPolicy = {
  stepUpFrom: 60,
  highRiskFrom: 90,
  highRiskAction: 'block',
  monitor: false,
  weights: {},
  stepUpWindowsSec: {
    security_settings: 10 * MINUTE_SEC,
    data_export: 10 * MINUTE_SEC,
    impersonation: 10 * MINUTE_SEC,
  },
  methods: [...STEP_UP_METHODS],
  secondFactor: 'by_risk',
  whenSkipped: 'allow',
  maxSessions: 100,
};

/**
 * Completes a policy that was sent.
 * @param present the policy that it replaces
 */
export const completePolicy = (sent: SentPolicy, present: RiskPolicy): RiskPolicy => ({
  ...sent,
  secondFactor: sent.secondFactor ?? present.secondFactor,
  whenSkipped: sent.whenSkipped ?? present.whenSkipped,
  maxSessions: sent.maxSessions ?? present.maxSessions,
});

/** A policy with its version, which is 0 if the tenant uses the defaults. */
export interface VersionedPolicy {
  version: number;
  policy: RiskPolicy;
}

export const UNCHANGED: VersionedPolicy = { version: 0, policy: DEFAULT_POLICY };

/**
 * Less strict than the input schema: a newer release may have stored values that this one does not
 * know.
 */
const stored = whole.extend({
  weights: z.record(z.string(), weight),
  stepUpWindowsSec: z.object({
    security_settings: windowSec,
    data_export: windowSec,
    impersonation: windowSec,
  }),
  methods: z.array(z.string()),
});

/**
 * Reads a stored policy; missing fields get their defaults.
 * @returns undefined if the row is invalid, for example after a manual change
 */
export function parseStoredPolicy(raw: object): RiskPolicy | undefined {
  const parsed = stored.safeParse({ ...DEFAULT_POLICY, ...raw });
  if (!parsed.success) return undefined;
  const { methods, ...policy } = parsed.data;
  return { ...policy, methods: STEP_UP_METHODS.filter((method) => methods.includes(method)) };
}

/**
 * Decides on a score under a policy.
 * @param score 0 to 100
 */
export function decideRisk(
  score: number,
  policy: Pick<RiskPolicy, 'stepUpFrom' | 'highRiskFrom' | 'highRiskAction'>,
): 'allow' | 'step_up' | 'block' {
  if (score >= policy.highRiskFrom) return policy.highRiskAction;
  return score >= policy.stepUpFrom ? 'step_up' : 'allow';
}

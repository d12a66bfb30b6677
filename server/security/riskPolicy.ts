import { z } from 'zod';
import type { Weights } from './score';
import { STEP_UP_METHODS } from './proofs/proof';
import { SIGNALS } from './signals';

const SIGNAL_CODES = SIGNALS.map(({ code }) => code);
const threshold = z.int().min(1).max(100);
const windowSec = z.int().min(30).max(900);
const weight = z.int().min(0).max(100);

const fields = {
  /** A score from here on asks for a step-up. */
  stepUpFrom: threshold,
  /** A score from here on does what `highRiskAction` says. */
  highRiskFrom: threshold,
  highRiskAction: z.enum(['block', 'step_up']),
  /** Decide and record, enforce nothing. */
  monitor: z.boolean(),
  /** By signal: what it adds in place of its own weight; 0 switches it off. */
  weights: z
    .partialRecord(z.enum(SIGNAL_CODES), weight)
    // JSON knows no undefined.
    .transform((weights) => weights as Weights),
  /** How old a proof may be at a guarded route, by purpose, in seconds. */
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

/** Fields that came later. A client that does not know them sends a policy without them: they keep their values. */
const later = {
  /** Whether a login needs a second factor whatever its score. */
  secondFactor: z.enum(['by_risk', 'if_enrolled', 'always']),
  /** What a check that was skipped means for people who have a factor. */
  whenSkipped: z.enum(['allow', 'prove']),
  /** How many live sessions one person may have; the oldest end. */
  maxSessions: z.int().min(1).max(500),
};

/** A policy as a client sends it: whole, so that nothing is changed that was not looked at. */
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
  stepUpWindowsSec: { security_settings: 600, data_export: 600, impersonation: 600 },
  methods: [...STEP_UP_METHODS],
  secondFactor: 'by_risk',
  whenSkipped: 'allow',
  maxSessions: 100,
};

/**
 * Completes a policy that was sent.
 * @param present the policy that it takes the place of
 */
export const completePolicy = (sent: SentPolicy, present: RiskPolicy): RiskPolicy => ({
  ...sent,
  secondFactor: sent.secondFactor ?? present.secondFactor,
  whenSkipped: sent.whenSkipped ?? present.whenSkipped,
  maxSessions: sent.maxSessions ?? present.maxSessions,
});

/** A policy with its version, which is 0 where the tenant goes by the defaults. */
export interface VersionedPolicy {
  version: number;
  policy: RiskPolicy;
}

export const UNCHANGED: VersionedPolicy = { version: 0, policy: DEFAULT_POLICY };

/** Looser than what is accepted: a newer release may have written what this one does not know. */
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
 * Reads a policy as it was stored; what it does not say is as by default.
 * @returns undefined where somebody has put nonsense there by hand
 */
export function parseStoredPolicy(raw: object): RiskPolicy | undefined {
  const parsed = stored.safeParse({ ...DEFAULT_POLICY, ...raw });
  if (!parsed.success) return undefined;
  const { methods, ...policy } = parsed.data;
  return { ...policy, methods: STEP_UP_METHODS.filter((method) => methods.includes(method)) };
}

/**
 * What a policy says to a score.
 * @param score 0 to 100
 */
export function decideRisk(
  score: number,
  policy: Pick<RiskPolicy, 'stepUpFrom' | 'highRiskFrom' | 'highRiskAction'>,
): 'allow' | 'step_up' | 'block' {
  if (score >= policy.highRiskFrom) return policy.highRiskAction;
  return score >= policy.stepUpFrom ? 'step_up' : 'allow';
}

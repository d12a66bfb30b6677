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

/** A policy as a client sends it: whole, so that nothing is changed that was not looked at. */
export const riskPolicy = z
  .strictObject(fields)
  .refine(({ stepUpFrom, highRiskFrom }) => stepUpFrom <= highRiskFrom, {
    message: 'must not be below stepUpFrom',
    path: ['highRiskFrom'],
  });

export type RiskPolicy = z.infer<typeof riskPolicy>;

export const DEFAULT_POLICY: RiskPolicy = {
  stepUpFrom: 60,
  highRiskFrom: 90,
  highRiskAction: 'block',
  monitor: false,
  weights: {},
  stepUpWindowsSec: { security_settings: 600, data_export: 600, impersonation: 600 },
  methods: [...STEP_UP_METHODS],
};

/** A policy with its version, which is 0 where the tenant goes by the defaults. */
export interface VersionedPolicy {
  version: number;
  policy: RiskPolicy;
}

export const UNCHANGED: VersionedPolicy = { version: 0, policy: DEFAULT_POLICY };

/** Looser than what is accepted: a newer release may have written what this one does not know. */
const stored = z.object({
  ...fields,
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

import { z } from 'zod';
import { riskDecision, riskMoment, riskOutcome, riskVerdict } from '../../db/schema';
import { moment, nextCursor, rowId } from '../../http/answers';
import { STEP_UP_METHODS } from '../stepUp/stepUpMethods';

const windowSec = z.int();

/** The tenant's risk policy with its version. */
export const shownRiskPolicy = z
  .object({
    version: z.int(),
    policy: z.object({
      stepUpFrom: z.int(),
      highRiskFrom: z.int(),
      highRiskAction: z.enum(['block', 'step_up']),
      monitor: z.boolean(),
      weights: z.record(z.string(), z.int()),
      stepUpWindowsSec: z.object({
        security_settings: windowSec,
        data_export: windowSec,
        impersonation: windowSec,
      }),
      methods: z.array(z.enum(STEP_UP_METHODS)),
      secondFactor: z.enum(['by_risk', 'if_enrolled', 'always']),
      whenSkipped: z.enum(['allow', 'prove']),
      maxSessions: z.int(),
    }),
    signals: z.array(z.object({ code: z.string(), defaultWeight: z.int(), weight: z.int() })),
    updatedAt: moment.nullable(),
    updatedBy: z.string().nullable(),
  })
  .meta({ id: 'RiskPolicy' });

const outcomes = z.object({ allowed: z.int(), challenged: z.int(), blocked: z.int() });

/** The effect that another policy would have had. */
export const simulatedRiskPolicy = z
  .object({
    from: moment,
    to: moment,
    decisions: z.int(),
    skipped: z.int(),
    recorded: outcomes.extend({ monitored: z.int() }),
    proposed: outcomes,
    verdicts: z.object({ legitimate: outcomes, suspicious: outcomes }),
    people: z.array(
      z.object({
        staffId: rowId,
        email: z.string().nullable(),
        challenged: z.int(),
        blocked: z.int(),
        legitimate: z.int(),
      }),
    ),
    morePeople: z.boolean(),
  })
  .meta({ id: 'SimulatedRiskPolicy' });

/** A decision of the risk gate. */
export const shownRiskDecision = z
  .object({
    id: rowId,
    staffId: rowId,
    email: z.string().nullable(),
    sessionId: rowId.nullable(),
    at: z.enum(riskMoment.enumValues),
    occurredAt: moment,
    score: z.int(),
    reasons: z.array(z.string()),
    signals: z.unknown(),
    decision: z.enum(riskDecision.enumValues),
    outcome: z.enum(riskOutcome.enumValues),
    policyVersion: z.int().nullable(),
    degraded: z.string().nullable(),
    spentMs: z.number(),
    ip: z.string().nullable(),
    country: z.string().nullable(),
    correlationId: z.string(),
    verdict: z
      .object({
        verdict: z.enum(riskVerdict.enumValues),
        by: z.string().nullable(),
        at: moment.nullable(),
        note: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'RiskDecision' });

/** A page of decisions. */
export const riskDecisions = z
  .object({ decisions: z.array(shownRiskDecision), nextCursor })
  .meta({ id: 'RiskDecisionPage' });

/** The accounts that are closed after wrong guesses. */
export const lockedAccounts = z
  .object({
    accounts: z.array(
      z.object({
        staffId: rowId,
        email: z.string(),
        what: z.enum(['password', 'second_factor']),
        since: moment,
        until: moment.nullable(),
      }),
    ),
  })
  .meta({ id: 'LockedAccounts' });

import { distanceBetweenCountries } from './geo';
import type { RiskFactsCache } from './riskFacts';
import type { RiskFacts } from './riskFactsStore';
import {
  FAILED_ATTEMPTS_FROM,
  FAILED_ATTEMPTS_MANY_FROM,
  SCORE_CAP,
  SIGNAL_WEIGHTS,
  TRAVEL_ALLOWANCE_KM,
  TRAVEL_SPEED_KMH,
} from './riskTable';

export interface AnomalyInput {
  tenantId: string;
  staffId: string;
  at: Date;
  /** ISO 3166-1 alpha-2, or null where the address says nothing. */
  country: string | null;
  /** What identifies the device, best first; empty where nothing does. */
  deviceHashes: readonly string[];
  /** Failed logins of the account in the current window. */
  recentFailures: number;
}

export interface AnomalyScore {
  /** 0 to 100. */
  score: number;
  reasons: string[];
}

type Signal = (input: AnomalyInput, facts: RiskFacts) => keyof typeof SIGNAL_WEIGHTS | null;

/**
 * Somebody without history has nothing to differ from: a first login is not suspicious for that. A device
 * that shows nothing to be known by is a new one: hiding must not pay.
 */
const newDevice: Signal = (input, facts) => {
  if (facts.deviceHashes.size === 0) return null;
  return input.deviceHashes.some((hash) => facts.deviceHashes.has(hash)) ? null : 'NEW_DEVICE';
};

const newCountry: Signal = (input, facts) => {
  if (facts.countries.size === 0 || input.country === null) return null;
  return facts.countries.has(input.country) ? null : 'NEW_COUNTRY';
};

const impossibleTravel: Signal = (input, facts) => {
  const latest = [...facts.countries].sort((a, b) => b[1] - a[1])[0];
  if (!latest || input.country === null || latest[0] === input.country) return null;
  const distance = distanceBetweenCountries(latest[0], input.country);
  if (distance === null) return null;
  const hours = Math.max(0, input.at.getTime() - latest[1]) / 3_600_000;
  return distance > TRAVEL_ALLOWANCE_KM + hours * TRAVEL_SPEED_KMH ? 'IMPOSSIBLE_TRAVEL' : null;
};

const failedAttempts: Signal = (input) => {
  if (input.recentFailures >= FAILED_ATTEMPTS_MANY_FROM) return 'FAILED_ATTEMPTS_MANY';
  return input.recentFailures >= FAILED_ATTEMPTS_FROM ? 'FAILED_ATTEMPTS' : null;
};

const SIGNALS: readonly Signal[] = [newDevice, newCountry, impossibleTravel, failedAttempts];

/**
 * Scores a login or a refresh against what is known of the staff member's past logins. It may throw: the
 * caller ({@link assessRisk}) turns whatever happens here into an answer that lets the login go on.
 * @returns the sum of the weights of the signals that fired, capped at 100, and their names
 * @throws the driver's error where the facts cannot be read
 */
export async function computeAnomalyScoreOptimized(
  deps: { riskFacts: RiskFactsCache },
  input: AnomalyInput,
): Promise<AnomalyScore> {
  const facts = await deps.riskFacts.read(input.tenantId, input.staffId);
  const fired = SIGNALS.map((signal) => signal(input, facts)).filter((name) => name !== null);
  const sum = fired.reduce((total, name) => total + SIGNAL_WEIGHTS[name], 0);
  return { score: Math.min(SCORE_CAP, sum), reasons: fired };
}

import type { StepUpPurpose } from '../db/schema';

/** One act for which a step-up proof is demanded. */
export interface Act {
  /** Method and route, for people to read. */
  readonly name: string;
  /** SHA-256 over the whole request, in hex: the proof is valid for exactly this request. */
  readonly digest: string;
}

/** The requirements of a gate. */
export interface Gate {
  purpose: StepUpPurpose;
  /**
   * The greatest age of the proof at this route, in seconds; the tenant's policy and the configured
   * cap can only shorten it.
   */
  windowSec?: number | undefined;
  /**
   * The one act that the proof is for and that consumes it; without it the proof is valid for a
   * window of time.
   */
  act?: Act | undefined;
  /**
   * Whether a person who has no factor yet passes: for the first factor there is nothing to prove
   * with.
   */
  firstFactor?: boolean | undefined;
}

/** How a request passed a gate; see `withProof`. */
export type Passage =
  | { by: 'proof'; gate: Gate; proofId: string; verifiedAt: Date; windowSec: number }
  | { by: 'no_factor'; gate: Gate }
  /** The enrolment challenge was verified; finishing the enrolment consumes it. */
  | { by: 'enrolling'; gate: Gate }
  | { by: 'test_bypass'; gate: Gate };

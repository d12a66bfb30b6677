import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import type { Principal, RequestContext } from '../../../context';
import type { Db, Tx } from '../../../db';
import type { MailDeps } from '../../../mail';
import type { Challenge } from '../challengeStore';
import type { StepUpMethod } from '../stepUpMethods';

/** A client's answer to a challenge. */
export type Answer =
  { kind: 'code'; code: string } | { kind: 'passkey'; response: AuthenticationResponseJSON };

export type FailureReason =
  'wrong_code' | 'code_already_used' | 'factor_unreadable' | 'wrong_passkey' | 'passkey_copied';

/**
 * Consumes the proof in the transaction that marks the challenge as verified.
 * @param ctx the request that gave the proof, for the audit events
 * @returns false if it was consumed already, or the reason why the proof turns out to be invalid
 */
export type Spend = (tx: Tx, ctx: RequestContext) => Promise<boolean | FailureReason>;

export type ProofDeps = Pick<
  MailDeps,
  'db' | 'keys' | 'clock' | 'random' | 'logger' | 'config' | 'mail'
>;

/** The dependencies that decide which methods exist on this installation. */
export type MethodDeps = Pick<MailDeps, 'config' | 'mail'>;

/** One step-up method. To add one, write a file and add it to `PROOFS`. */
export interface Proof {
  method: StepUpMethod;
  /** Returns whether this staff member can give this proof now. */
  isAvailable(
    deps: MethodDeps,
    db: Db | Tx,
    staff: Pick<Principal, 'tenantId' | 'staffId'>,
  ): Promise<boolean>;
  /**
   * Prepares the proof, for methods that need it; the client requests this. The challenge is open.
   * @returns the data for the client
   */
  start?(
    deps: ProofDeps,
    ctx: RequestContext,
    tx: Tx,
    challenge: Challenge,
  ): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Returns whether an answer looks like one for this method; the first method that returns true
   * checks it.
   */
  fits(answer: Answer, challenge: Challenge): boolean;
  /**
   * Called before a try is taken.
   * @throws AppError KEY_UNAVAILABLE if no answer could be judged
   */
  assertJudgeable?(deps: ProofDeps, challenge: Challenge): Promise<void>;
  /**
   * Checks the answer and changes nothing.
   * @returns a function that consumes the proof, or the reason why the answer is wrong
   */
  check(deps: ProofDeps, challenge: Challenge, answer: Answer): Promise<Spend | FailureReason>;
}

import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import type { Principal, RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import type { Deps } from '../../deps';
import type { Challenge } from '../challengeStore';

/** Every way to prove oneself, strongest first: the order in which a client is told of them. */
export const STEP_UP_METHODS = ['passkey', 'totp', 'recovery_code', 'email'] as const;

export type StepUpMethod = (typeof STEP_UP_METHODS)[number];

/** What a client answers a challenge with. */
export type Answer =
  { kind: 'code'; code: string } | { kind: 'passkey'; response: AuthenticationResponseJSON };

export type FailureReason =
  'wrong_code' | 'code_already_used' | 'factor_unreadable' | 'wrong_passkey' | 'passkey_copied';

/**
 * Spends the proof in the transaction that marks the challenge.
 * @param ctx of the request that gave the proof, for what has to be recorded of it
 * @returns false where it was spent already, or why it is none after all
 */
export type Spend = (tx: Tx, ctx: RequestContext) => Promise<boolean | FailureReason>;

export type ProofDeps = Pick<
  Deps,
  'db' | 'keys' | 'clock' | 'random' | 'logger' | 'config' | 'mail'
>;

/** What says which methods there are at all. */
export type MethodDeps = Pick<Deps, 'config' | 'mail'>;

/** One way to prove oneself. A new one is a file, and a line in the list. */
export interface Proof {
  method: StepUpMethod;
  /** Whether this staff member can give it now. */
  isAvailable(
    deps: MethodDeps,
    db: Db | Tx,
    staff: Pick<Principal, 'tenantId' | 'staffId'>,
  ): Promise<boolean>;
  /**
   * What has to happen before it can be given, where anything has to: a client asks for it. The challenge is open.
   * @returns what the client is told
   */
  start?(
    deps: ProofDeps,
    ctx: RequestContext,
    tx: Tx,
    challenge: Challenge,
  ): Promise<Readonly<Record<string, unknown>>>;
  /** Whether an answer looks like one of this kind; the first that says so is asked. */
  fits(answer: Answer, challenge: Challenge): boolean;
  /**
   * Asked before a try is taken.
   * @throws AppError KEY_UNAVAILABLE if no answer could be judged, whatever it is
   */
  assertJudgeable?(deps: ProofDeps, challenge: Challenge): Promise<void>;
  /** Looks at the answer, and changes nothing. @returns how to spend it, or why it is none */
  check(deps: ProofDeps, challenge: Challenge, answer: Answer): Promise<Spend | FailureReason>;
}

/** The result of a request, or of asking the person. */
export type RefreshEvent =
  | 'tokens'
  | 'stepUp'
  | 'lost'
  | 'tooLate'
  | 'unavailable'
  | 'forced'
  | 'invalid'
  | 'refused'
  | 'proven';

/** The current step of a refresh. */
export type RefreshStep = 'sent' | 'resent' | 'proving' | 'sentAgain' | 'resentAgain';

/** The possible ends of a refresh. */
export type RefreshEnd =
  'renewed' | 'lost' | 'unavailable' | 'security' | 'expired' | 'answer_lost' | 'refused';

const ANSWERED = {
  tokens: 'renewed',
  tooLate: 'answer_lost',
  unavailable: 'unavailable',
  forced: 'security',
  invalid: 'expired',
  refused: 'refused',
} as const;

/**
 * Every possible course of a refresh. A lost answer is requested once more, a proof is asked for
 * once, and no step is entered twice, so a refresh ends after at most four requests.
 */
export const REFRESH: Readonly<
  Record<RefreshStep, Partial<Record<RefreshEvent, RefreshStep | RefreshEnd>>>
> = {
  sent: { ...ANSWERED, lost: 'resent', stepUp: 'proving' },
  resent: { ...ANSWERED, lost: 'lost', stepUp: 'proving' },
  proving: { proven: 'sentAgain', refused: 'refused' },
  sentAgain: { ...ANSWERED, lost: 'resentAgain', stepUp: 'refused' },
  resentAgain: { ...ANSWERED, lost: 'lost', stepUp: 'refused' },
};

/** The meaning of an answer to a request of the application. */
export type RequestEvent = 'unauthenticated' | 'stepUp' | 'other';
export type RequestStep = 'first' | 'once' | 'repeated';

/**
 * The reaction to an answer: at most one repetition, and none for a request that can be sent only
 * once.
 */
export const REQUEST: Readonly<
  Record<RequestStep, Readonly<Record<RequestEvent, 'refresh' | 'prove' | 'return'>>>
> = {
  first: { unauthenticated: 'refresh', stepUp: 'prove', other: 'return' },
  once: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
  repeated: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
};

/** @returns the next step of a refresh; an event that is not in the table ends it */
export const afterRefresh = (step: RefreshStep, event: RefreshEvent) =>
  REFRESH[step][event] ?? 'refused';

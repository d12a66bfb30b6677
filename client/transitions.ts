/** What came of a call, or of asking the person. */
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

/** Where a refresh stands while it goes on. */
export type RefreshStep = 'sent' | 'resent' | 'proving' | 'sentAgain' | 'resentAgain';

/** How a refresh ends. */
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
 * Every way that a refresh can go. A lost answer is asked for once more, a proof is asked for once, and no step is
 * entered twice: it ends after four calls at most.
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

/** What an answer to a request of the application means. */
export type RequestEvent = 'unauthenticated' | 'stepUp' | 'other';
export type RequestStep = 'first' | 'once' | 'repeated';

/** What is done about an answer: at most one repetition, and none of what can be sent once only. */
export const REQUEST: Readonly<
  Record<RequestStep, Readonly<Record<RequestEvent, 'refresh' | 'prove' | 'return'>>>
> = {
  first: { unauthenticated: 'refresh', stepUp: 'prove', other: 'return' },
  once: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
  repeated: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
};

/** @returns where a refresh goes from here; what is not in the table ends it */
export const afterRefresh = (step: RefreshStep, event: RefreshEvent) =>
  REFRESH[step][event] ?? 'refused';

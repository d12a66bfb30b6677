import { REFRESH, REQUEST, afterRefresh } from '@/client/transitions';
import type { RefreshEvent, RefreshStep } from '@/client/transitions';

const EVENTS: RefreshEvent[] = [
  'tokens',
  'stepUp',
  'lost',
  'tooLate',
  'unavailable',
  'forced',
  'invalid',
  'refused',
  'proven',
];

describe('the way of a refresh', () => {
  it.each<[RefreshStep, RefreshEvent, string]>([
    ['sent', 'tokens', 'renewed'],
    ['sent', 'stepUp', 'proving'],
    ['sent', 'lost', 'resent'],
    ['sent', 'tooLate', 'answer_lost'],
    ['sent', 'unavailable', 'unavailable'],
    ['sent', 'forced', 'security'],
    ['sent', 'invalid', 'expired'],
    ['sent', 'refused', 'refused'],
    ['resent', 'tooLate', 'answer_lost'],
    ['resent', 'tokens', 'renewed'],
    ['resent', 'stepUp', 'proving'],
    ['resent', 'lost', 'lost'],
    ['resent', 'unavailable', 'unavailable'],
    ['resent', 'forced', 'security'],
    ['resent', 'invalid', 'expired'],
    ['proving', 'proven', 'sentAgain'],
    ['proving', 'refused', 'refused'],
    ['sentAgain', 'tokens', 'renewed'],
    ['sentAgain', 'stepUp', 'refused'],
    ['sentAgain', 'lost', 'resentAgain'],
    ['sentAgain', 'unavailable', 'unavailable'],
    ['sentAgain', 'forced', 'security'],
    ['sentAgain', 'invalid', 'expired'],
    ['resentAgain', 'tooLate', 'answer_lost'],
    ['resentAgain', 'tokens', 'renewed'],
    ['resentAgain', 'stepUp', 'refused'],
    ['resentAgain', 'lost', 'lost'],
    ['resentAgain', 'forced', 'security'],
    ['resentAgain', 'invalid', 'expired'],
  ])('%s, then %s: %s', (step, event, next) => {
    expect(afterRefresh(step, event)).toBe(next);
  });

  it('enters no step twice, whatever comes: it ends', () => {
    const longest = (step: RefreshStep, been: RefreshStep[]): number => {
      expect(been).not.toContain(step);
      const calls = step === 'proving' ? 0 : 1;
      const rest = EVENTS.map((event) => afterRefresh(step, event)).map((next) =>
        next in REFRESH ? longest(next as RefreshStep, [...been, step]) : 0,
      );
      return calls + Math.max(...rest);
    };
    expect(longest('sent', [])).toBe(4);
  });
});

describe('the way of a request', () => {
  it('is repeated after the first answer alone, and where it can be sent twice', () => {
    expect(REQUEST).toStrictEqual({
      first: { unauthenticated: 'refresh', stepUp: 'prove', other: 'return' },
      once: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
      repeated: { unauthenticated: 'return', stepUp: 'return', other: 'return' },
    });
  });
});

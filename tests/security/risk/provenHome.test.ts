import { lookForSignals } from '@/server/security/risk/score';
import type { Attempt } from '@/server/security/risk/signals';
import { ATTEMPT, HISTORY } from '@/tests/helpers/risk/madeUpAttempt';

const KNOWN = { ...HISTORY, deviceHashes: new Set(['another']), countries: new Map([['JP', 0]]) };
const PLACE = { country: 'GB', network: '81.2.0.0/16' };
const HOME = { id: 'the session', ...PLACE, deviceHashes: ['cookie', 'agent'], proven: true };
const AT_HOME: Attempt = {
  ...ATTEMPT,
  ...PLACE,
  at: 'refresh',
  deviceHashes: ['cookie', 'agent'],
  lists: ['vpn.txt'],
  session: HOME,
};
const codes = (attempt: Attempt) => lookForSignals(attempt, KNOWN).map(({ code }) => code);

describe("a session's proven home", () => {
  it('is not doubted: no signal about the place is looked at, a list neither', () => {
    expect(codes(AT_HOME)).toEqual([]);
  });

  it.each<[string, Partial<Attempt>]>([
    ['another network', { network: '82.1.0.0/16' }],
    ['another country', { country: 'FR' }],
    ['another cookie', { deviceHashes: ['another cookie', 'agent'] }],
    ['no cookie, with the same user agent', { deviceHashes: ['agent'] }],
    ['nothing to know the device by', { deviceHashes: [] }],
    ['a session that no proof was given in', { session: { ...HOME, proven: false } }],
    ['a login', { at: 'login' }],
  ])('does not cover %s: the list counts as ever', (_what, change) => {
    expect(codes({ ...AT_HOME, ...change })).toContain('IP_ON_LIST');
  });
});

import { concurrentCountries } from '@/server/security/risk/signals/concurrentCountries';
import type { Attempt, History } from '@/server/security/risk/signals';
import { ATTEMPT } from '@/tests/helpers/risk/madeUpAttempt';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(concurrentCountries);
const QUARTER_MS = 15 * 60_000;

type Session = History['sessions'][number];
const sessionIn = (country: string | null, agoMs = 0, id = `in ${country}`): Session => ({
  id,
  country,
  lastSeenAt: ATTEMPT.now.getTime() - agoMs,
});
const beside = (sessions: Session[], attempt: Partial<Attempt> = {}) =>
  look({ country: 'GB', ...attempt }, { sessions });

describe('CONCURRENT_COUNTRIES', () => {
  it('sees a session that is active in another country, and tells the countries, not the session', () => {
    expect(beside([sessionIn('FR')])).toEqual({ here: 'GB', elsewhere: 'FR' });
  });

  it.each([
    ['fifteen minutes', QUARTER_MS, true],
    ['a millisecond more', QUARTER_MS + 1, false],
  ])('that was active within %s (%i ms): seen %p', (_case, agoMs, seen) => {
    expect(beside([sessionIn('FR', agoMs)]) !== null).toBe(seen);
  });

  it('finds it among sessions that say nothing', () => {
    const sessions = [sessionIn('GB'), sessionIn(null), sessionIn('JP', 10 * QUARTER_MS)];
    expect(beside(sessions)).toBeNull();
    expect(beside([...sessions, sessionIn('FR')])).toEqual({ here: 'GB', elsewhere: 'FR' });
  });

  it('does not hold the session that a refresh goes on with against it', () => {
    const session = { id: 'its own', country: 'FR', deviceHashes: [] };
    const refresh = { at: 'refresh' as const, session };
    expect(beside([sessionIn('FR', 0, 'its own')], refresh)).toBeNull();
    expect(beside([sessionIn('FR', 0, 'another')], refresh)).not.toBeNull();
  });

  it('sees nothing where the address tells no country', () => {
    expect(beside([sessionIn('FR')], { country: null })).toBeNull();
  });

  it('sees nothing in the first login of a new member', () => {
    expect(beside([])).toBeNull();
  });

  it('adds 15, and nothing where a new country or a distance has said so already', () => {
    expect(weightBeside(concurrentCountries)).toBe(15);
    expect(weightBeside(concurrentCountries, 'NEW_DEVICE', 'SESSION_MOVED')).toBe(15);
    expect(weightBeside(concurrentCountries, 'NEW_COUNTRY')).toBe(0);
    expect(weightBeside(concurrentCountries, 'IMPOSSIBLE_TRAVEL')).toBe(0);
  });
});

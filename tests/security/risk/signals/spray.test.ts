import { spray } from '@/server/security/risk/signals/spray';
import { lookWith, weightBeside } from '@/tests/helpers/risk/lookWith';

const look = lookWith(spray);

describe('SPRAY', () => {
  it.each([
    [0, null],
    [4, null],
    [5, { accounts: 5 }],
    [20, { accounts: 20 }],
  ])('of %i accounts that the address failed on: %p', (accountsTried, saw) => {
    expect(look({ accountsTried })).toEqual(saw);
  });

  it('is not many failures on one account', () => {
    expect(look({ accountsTried: 1, recentFailures: 50 })).toBeNull();
  });

  it('adds 30, to what the account itself has seen too', () => {
    expect(weightBeside(spray)).toBe(30);
    expect(weightBeside(spray, 'FAILED_ATTEMPTS', 'FAILED_ATTEMPTS_MANY')).toBe(30);
  });
});

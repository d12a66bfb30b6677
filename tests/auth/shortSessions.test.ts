import { refresh } from '@/tests/helpers/http/authCalls';
import { liveTokensOf, sessionsOf } from '@/tests/helpers/database/authRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { HOME, attemptLogin } from '@/tests/helpers/people/traveller';

const HOUR = 3600;

/** Signs a person in without `rememberMe`. */
async function signIn(settings: Parameters<typeof buildApp>[0] = {}) {
  const clock = createMovableClock();
  const { app } = buildApp(settings, { clock });
  const member = await seedTestUserAndToken();
  const { body } = await attemptLogin(app, member, HOME);
  return { app, clock, member, refreshToken: body.refreshToken as string };
}

describe('a session without rememberMe', () => {
  it('ends after two hours without use, long before its absolute end', async () => {
    const { app, clock, refreshToken } = await signIn();
    clock.forward(2 * HOUR - 1);
    const used = await refresh(app, refreshToken, HOME);
    expect(used.status).toBe(200);
    clock.forward(2 * HOUR);
    const late = await refresh(app, used.body.refreshToken, HOME);
    expect([late.status, late.body.error]).toStrictEqual([401, 'INVALID_REFRESH_TOKEN']);
  });

  it('ends twelve hours after the login however often it is used', async () => {
    const { app, clock, member, refreshToken } = await signIn();
    let token = refreshToken;
    for (let hour = 0; hour < 11; hour += 1) {
      clock.forward(HOUR);
      const res = await refresh(app, token, HOME);
      expect(res.status).toBe(200);
      token = res.body.refreshToken as string;
    }
    const session = (await sessionsOf(member.staffId)).at(-1);
    const live = (await liveTokensOf(member.staffId)).find((row) => row.sessionId === session?.id);
    expect(live?.expiresAt).toStrictEqual(session?.expiresAt);
    clock.forward(HOUR);
    expect((await refresh(app, token, HOME)).status).toBe(401);
  });
});

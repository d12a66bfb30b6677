import { ADDRESS } from '@/tests/helpers/http/authCalls';
import { CALM, allowed, challenged, openHistory } from '@/tests/helpers/risk/riskHistory';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const { GB, US, JP } = ADDRESS;
const FR = '90.0.0.1';
/** Other networks in Great Britain. */
const ELSEWHERE_IN_GB = ['81.100.1.1', '82.1.1.1', '86.1.1.1', '92.40.1.1', '188.28.1.1'] as const;
const [CAFE, OFFICE] = ELSEWHERE_IN_GB;

const DAY = 86_400;
const HOUR = 3600;
const MINUTE = 60;

const { clock, ...history } = openHistory();
const { openBrowser, seedAtHome, signIn, mistype, decidedBy, decisionBehind } = history;

function forwardToHour(hour: number): void {
  const now = clock.now();
  const passed = now.getUTCHours() * HOUR + now.getUTCMinutes() * MINUTE + now.getUTCSeconds();
  clock.forward((hour * HOUR + DAY - passed) % DAY);
}

describe('a traveller', () => {
  it('is let in with the known laptop, with a new phone after that, and back at home', async () => {
    const traveller = await seedAtHome(GB);
    clock.forward(DAY);
    // 35: a day is enough for the flight, so only the country is new. The known laptop counts for
    // its owner.
    expect(await signIn(traveller.laptop, traveller, JP)).toEqual(allowed(35, 'NEW_COUNTRY'));
    // 0: that login made the country and the network known.
    expect(await signIn(traveller.laptop, traveller, JP)).toEqual(CALM);
    // 25: a phone that was bought there is new, but the country no longer is.
    const phone = openBrowser('A phone from Akihabara');
    expect(await signIn(phone, traveller, JP)).toEqual(allowed(25, 'NEW_DEVICE'));
    clock.forward(DAY);
    // 0: home is known, and an airliner is fast enough. The sessions in Japan are a day old.
    expect(await signIn(traveller.laptop, traveller, GB)).toEqual(CALM);
    expect(await signIn(phone, traveller, GB)).toEqual(CALM);
  });

  it('is asked on a new device in a new country, and is known there after the proof', async () => {
    const traveller = await seedAtHome(GB);
    const secret = await giveFactor(traveller);
    clock.forward(DAY);
    // 60: the example of the contract. Neither the device nor the place is known.
    const phone = openBrowser('A phone from Akihabara');
    const asked = challenged(60, 'NEW_DEVICE', 'NEW_COUNTRY');
    expect(await signIn(phone, traveller, JP)).toEqual(asked);
    // Still 60: a login that was not let in teaches nothing.
    expect(await signIn(phone, traveller, JP)).toEqual(asked);
    await phone.verify(codeAt(secret, clock.now())).expect(200);
    expect(await signIn(phone, traveller, JP)).toEqual({
      ...asked,
      status: 200,
      outcome: 'passed',
    });
    // 0: the proof made both of them known.
    expect(await signIn(phone, traveller, JP)).toEqual(CALM);
    clock.forward(DAY);
    expect(await signIn(traveller.laptop, traveller, GB)).toEqual(CALM);
  });

  it('who is in two places within minutes is asked, unless all is known but the speed', async () => {
    const traveller = await seedAtHome(GB);
    clock.forward(10 * MINUTE);
    // 60: the laptop is known, but 9265 km in ten minutes mean a tunnel or a copied cookie.
    const jump = challenged(60, 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL');
    expect(await signIn(traveller.laptop, traveller, JP)).toEqual(jump);
    clock.forward(DAY);
    await signIn(traveller.laptop, traveller, JP);
    clock.forward(10 * MINUTE);
    // 25: both countries are known, as with a VPN that is switched off. The session there is
    // covered and adds 0.
    const back = await traveller.laptop.login(traveller, GB);
    expect(await decidedBy(back)).toEqual(allowed(25, 'IMPOSSIBLE_TRAVEL'));
    expect((await decisionBehind(back)).seen).toBe('IMPOSSIBLE_TRAVEL,CONCURRENT_COUNTRIES');
  });

  it('between neighbours, with a device in each, is noted and let in', async () => {
    const commuter = await seedAtHome(GB);
    const phone = openBrowser('The phone of a commuter');
    clock.forward(DAY);
    await signIn(commuter.laptop, commuter, FR);
    await signIn(phone, commuter, FR);
    clock.forward(DAY);
    expect(await signIn(commuter.laptop, commuter, GB)).toEqual(CALM);
    clock.forward(10 * MINUTE);
    // 15: Paris is near enough to London for the speed, but the laptop there is still active.
    expect(await signIn(phone, commuter, FR)).toEqual(allowed(15, 'CONCURRENT_COUNTRIES'));
    clock.forward(6 * HOUR);
    expect(await signIn(phone, commuter, FR)).toEqual(CALM);
  });
});

describe('an office behind one address', () => {
  it('where many have forgotten their passwords asks nobody on a known device for anything', async () => {
    const first = await seedAtHome(OFFICE);
    const { tenantId } = first;
    const people = [first];
    while (people.length < 12) people.push(await seedAtHome(OFFICE, { tenantId }));
    clock.forward(DAY);
    const [clumsy = first, ...others] = people;
    // 0: one wrong try, then the right password.
    await mistype(clumsy, OFFICE, 1);
    expect(await signIn(clumsy.laptop, clumsy, OFFICE)).toEqual(CALM);
    const [forgetful, rest] = [others.slice(0, 5), others.slice(5)];
    for (const one of forgetful.slice(0, 3)) await mistype(one, OFFICE, 3);
    // 0: four accounts have failed here, which is normal in the morning.
    expect(await signIn(clumsy.laptop, clumsy, OFFICE)).toEqual(CALM);
    for (const one of forgetful.slice(3)) await mistype(one, OFFICE, 3);
    // 30 for all who follow, and no more: a spray looks like this too, but not from known devices.
    expect(rest).toHaveLength(6);
    for (const one of rest) {
      expect(await signIn(one.laptop, one, OFFICE)).toEqual(allowed(30, 'SPRAY'));
    }
    // 45: a person who needs four tries gets in as well.
    const [remembers = first] = forgetful;
    expect(await signIn(remembers.laptop, remembers, OFFICE)).toEqual(
      allowed(45, 'FAILED_ATTEMPTS', 'SPRAY'),
    );
    // 55: even on a new laptop, because the network is known.
    const [upgraded = first] = rest;
    const laptop = openBrowser('A laptop fresh from its box');
    expect(await signIn(laptop, upgraded, OFFICE)).toEqual(allowed(55, 'NEW_DEVICE', 'SPRAY'));
    clock.forward(16 * MINUTE);
    expect(await signIn(upgraded.laptop, upgraded, OFFICE)).toEqual(CALM);
  });
});

describe('a phone that changes networks', () => {
  it('is never asked, however many it meets: its cookie vouches for it', async () => {
    const member = await seedAtHome(GB);
    for (const address of ELSEWHERE_IN_GB) {
      clock.forward(HOUR);
      // 10: the network is new, but the device and the country are not.
      const login = await member.laptop.login(member, address);
      expect(await decidedBy(login)).toEqual(allowed(10, 'NEW_NETWORK'));
      expect(await signIn(member.laptop, member, address)).toEqual(CALM);
    }
  });

  it('is not asked in the middle of a session either', async () => {
    const member = await seedAtHome(GB);
    let { refreshToken } = (await member.laptop.login(member, GB)).body;
    for (const address of ELSEWHERE_IN_GB) {
      clock.forward(HOUR);
      // 10: the session is still on its device and in its country.
      const res = await member.laptop.refresh(refreshToken, address);
      expect(await decidedBy(res)).toEqual(allowed(10, 'NEW_NETWORK'));
      ({ refreshToken } = res.body);
    }
  });
});

describe('an account that nobody has used for long', () => {
  it('lets its owner in after ninety days, and is not dormant any more', async () => {
    const member = await seedAtHome(GB);
    clock.forward(89 * DAY);
    expect(await signIn(member.laptop, member, GB)).toEqual(CALM);
    clock.forward(90 * DAY);
    // 20: parental leave, on the known laptop.
    expect(await signIn(member.laptop, member, GB)).toEqual(allowed(20, 'DORMANT_ACCOUNT'));
    expect(await signIn(member.laptop, member, GB)).toEqual(CALM);
  });

  it('does not make a new device at home suspicious, but one abroad the more', async () => {
    const member = await seedAtHome(GB);
    clock.forward(90 * DAY);
    // 80 = 25 + 35 + 20: nobody would notice the misuse of this account.
    const stranger = openBrowser('A stranger');
    const asked = challenged(80, 'NEW_DEVICE', 'NEW_COUNTRY', 'DORMANT_ACCOUNT');
    expect(await signIn(stranger, member, US)).toEqual(asked);
    // 55 = 25 + 10 + 20: back from leave with a new laptop, from a café.
    const laptop = openBrowser('A laptop fresh from its box');
    expect(await signIn(laptop, member, CAFE)).toEqual(
      allowed(55, 'NEW_DEVICE', 'NEW_NETWORK', 'DORMANT_ACCOUNT'),
    );
  });
});

describe('a login at night', () => {
  it('is unusual after twenty by day, once, and tips a balance that other things have filled', async () => {
    forwardToHour(12);
    const member = await seedAtHome(GB);
    for (let logins = 1; logins < 19; logins += 1) {
      clock.forward(DAY);
      expect(await signIn(member.laptop, member, GB)).toEqual(CALM);
    }
    // 0: one o'clock is within an hour of the usual time. This is the twentieth login.
    forwardToHour(13);
    expect(await signIn(member.laptop, member, GB)).toEqual(CALM);
    forwardToHour(3);
    // 10: a deadline. On the known laptop it is only noted.
    expect(await signIn(member.laptop, member, GB)).toEqual(allowed(10, 'UNUSUAL_HOUR'));
    clock.forward(DAY);
    expect(await signIn(member.laptop, member, GB)).toEqual(CALM);
    forwardToHour(20);
    // 45 = 25 + 10 + 10: an evening in a café with a new tablet.
    const tablet = openBrowser('A tablet fresh from its box');
    const reasons = ['NEW_DEVICE', 'NEW_NETWORK', 'UNUSUAL_HOUR'];
    expect(await signIn(tablet, member, CAFE)).toEqual(allowed(45, ...reasons));
    clock.forward(90 * DAY);
    forwardToHour(7);
    // 65 = 25 + 10 + 10 + 20: the same again on a dormant account is too much.
    const asked = challenged(65, ...reasons, 'DORMANT_ACCOUNT');
    expect(await signIn(openBrowser('A stranger'), member, OFFICE)).toEqual(asked);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { ADDRESS } from '@/tests/helpers/http/authCalls';
import { liveSessionsOf, sessionsOf } from '@/tests/helpers/database/authRows';
import { CALM, allowed, challenged, openHistory } from '@/tests/helpers/risk/riskHistory';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const { GB, US, JP } = ADDRESS;
/** Another network in Great Britain. */
const CAFE = '81.100.1.1';

const DAY = 86_400;

/**
 * Returns the sessions that a login has opened. The one that a member is seeded with has no device.
 */
const liveLoginsOf = async (staffId: string) =>
  (await liveSessionsOf(staffId, clock.now())).filter(({ deviceHashes }) => deviceHashes !== null);
const MINUTE = 60;

const { app, clock, ...history } = openHistory();
const { openBrowser, seedAtHome, signIn, mistype, decidedBy, decisionBehind } = history;

describe('a stuffing attack', () => {
  const attacker = () => openBrowser('python-requests/2.32');

  /** Tries one password on many accounts from one address. Some of the accounts do not exist. */
  async function spray(address: string): Promise<void> {
    const member = await seedTestUserAndToken();
    const made = Array.from({ length: 5 }, (_, at) => ({ email: `nobody-${at}@example.com` }));
    for (const who of [member, ...made]) await mistype(who, address, 1);
  }

  it('from a new country is blocked where a password fits, and every session is ended', async () => {
    const victim = await seedAtHome(GB);
    // With `rememberMe`, so that the session survives the day.
    const remembered = { ...victim, rememberMe: true };
    expect((await victim.laptop.login(remembered, GB)).status).toBe(200);
    clock.forward(DAY);
    expect(await liveLoginsOf(victim.staffId)).toHaveLength(1);
    await spray(US);
    // 90 = 25 + 35 + 30: nothing is known, and the address has just failed on six other accounts.
    // At 90 not even a proof is requested, because this is almost certainly not the owner, who
    // alone may have the code.
    const res = await attacker().login(victim, US);
    const reasons = ['NEW_DEVICE', 'NEW_COUNTRY', 'SPRAY'];
    expect(await decidedBy(res)).toEqual({
      status: 403,
      score: 90,
      reasons,
      outcome: 'blocked',
    });
    expect(res.body).toMatchObject({ error: 'LOGIN_BLOCKED', reason: 'anomaly_score' });
    expect(await liveLoginsOf(victim.staffId)).toEqual([]);
    // 0: the attempt taught the account nothing, so the owner's login is normal.
    expect(await signIn(victim.laptop, victim, GB)).toEqual(CALM);
  });

  it('from the same country is asked for a proof', async () => {
    const victim = await seedAtHome(GB);
    clock.forward(DAY);
    await spray(CAFE);
    // 65 = 25 + 10 + 30: it could be a guest with a new laptop beside the attacker, so a code
    // decides.
    const asked = challenged(65, 'NEW_DEVICE', 'NEW_NETWORK', 'SPRAY');
    expect(await signIn(attacker(), victim, CAFE)).toEqual(asked);
  });

  it('on a single account is asked for a proof too', async () => {
    const victim = await seedAtHome(GB);
    clock.forward(DAY);
    await mistype(victim, CAFE, 8);
    // 65 = 25 + 10 + 30: eight wrong guesses, and the ninth is right, on an unknown device and
    // network.
    const asked = challenged(65, 'NEW_DEVICE', 'NEW_NETWORK', 'FAILED_ATTEMPTS_MANY');
    expect(await signIn(attacker(), victim, CAFE)).toEqual(asked);
  });
});

describe('a stolen refresh token', () => {
  async function steal() {
    const victim = await seedAtHome(GB);
    clock.forward(10 * MINUTE);
    return { victim, refreshToken: victim.refreshToken };
  }
  const thief = () => openBrowser('curl/8.5.0');

  it('used abroad is worth no access token', async () => {
    const { victim, refreshToken } = await steal();
    const res = await thief().refresh(refreshToken, JP);
    // 85 = 25 + 35 + 25: another device, in a new country, ten minutes after the owner was at home.
    // The move of the session and the new network are noted and add nothing, because the country
    // covers them.
    const reasons = ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'] as const;
    expect(await decidedBy(res)).toEqual(challenged(85, ...reasons));
    expect(res.body.accessToken).toBeUndefined();
    const { signals, ...row } = await decisionBehind(res);
    expect(row).toMatchObject({ at: 'refresh', staffId: victim.staffId, country: 'JP' });
    expect(signals.filter(({ weight }) => weight === 0)).toEqual([
      { code: 'NEW_NETWORK', weight: 0, saw: { network: '133.11.0.0/16', knownNetworks: 1 } },
      { code: 'SESSION_MOVED', weight: 0, saw: { from: 'GB', to: 'JP', device: 'another' } },
    ]);
  });

  it('used around the corner is worth none either', async () => {
    const { refreshToken } = await steal();
    // 60 = 25 + 10 + 25: a token moves only with its device. This one is on another device, in a
    // new network.
    const asked = challenged(60, 'NEW_DEVICE', 'NEW_NETWORK', 'SESSION_MOVED');
    expect(await decidedBy(await thief().refresh(refreshToken, CAFE))).toEqual(asked);
  });

  it('is not worth more when the same request is sent again', async () => {
    const { refreshToken } = await steal();
    const copy = thief();
    const again = () => copy.refresh(refreshToken, CAFE).set('idempotency-key', 'again');
    const asked = challenged(60, 'NEW_DEVICE', 'NEW_NETWORK', 'SESSION_MOVED');
    expect(await decidedBy(await again())).toEqual(asked);
    expect(await decidedBy(await again())).toEqual(asked);
  });

  it('used in the same network on another device is noted, and below a proof', async () => {
    const { victim, refreshToken } = await steal();
    expect(await liveLoginsOf(victim.staffId)).toHaveLength(1);
    // 50 = 25 + 25: a client without cookies looks the same if an update changed its user agent,
    // and its owner must not be asked at home. The reuse of the token reveals the thief as soon as
    // the owner refreshes.
    const noted = allowed(50, 'NEW_DEVICE', 'SESSION_MOVED');
    expect(await decidedBy(await thief().refresh(refreshToken, GB))).toEqual(noted);
    expect((await victim.laptop.refresh(refreshToken, GB)).status).toBe(401);
    expect(await liveLoginsOf(victim.staffId)).toEqual([]);
  });
});

describe("an address on one of the operator's lists", () => {
  const folder = mkdtempSync(join(tmpdir(), 'lists-'));
  const path = join(folder, 'hosting.txt');
  writeFileSync(path, `# bought elsewhere\n${CAFE.replace(/\d+$/, '0')}/24 ; a hoster\n`);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const listing = openHistory({ ipLists: [path] }, clock);

  it('is noted on a known device, and asked for a proof on a new one', async () => {
    const member = await listing.seedAtHome(GB);
    expect(await listing.signIn(member.laptop, member, GB)).toEqual(CALM);
    // 45 = 10 + 35: a VPN at a hosting provider, on the known laptop.
    const res = await member.laptop.login(member, CAFE);
    expect(await listing.decidedBy(res)).toEqual(allowed(45, 'NEW_NETWORK', 'IP_ON_LIST'));
    const { signals } = await listing.decisionBehind(res);
    expect(signals.at(-1)).toEqual({ code: 'IP_ON_LIST', weight: 35, saw: { lists: 'hosting' } });
    // 35: the network is known now, but the address is still on the list.
    expect(await listing.signIn(member.laptop, member, CAFE)).toEqual(allowed(35, 'IP_ON_LIST'));
    // 60 = 25 + 35: the device is unknown, and the address is on the operator's list.
    const asked = challenged(60, 'NEW_DEVICE', 'IP_ON_LIST');
    expect(await listing.signIn(listing.openBrowser('Another'), member, CAFE)).toEqual(asked);
  });

  it('is noted of a new member too: that needs no history', async () => {
    const member = await seedTestUserAndToken();
    const first = listing.openBrowser('A first laptop');
    expect(await listing.signIn(first, member, CAFE)).toEqual(allowed(35, 'IP_ON_LIST'));
  });
});

describe('the explanation of a decision', () => {
  it('is shown to those who may see it, and its signals hold no address, cookie or token', async () => {
    const victim = await seedAtHome(GB);
    clock.forward(10 * MINUTE);
    const userAgent = 'A phone of the thief';
    const stolen = await openBrowser(userAgent).refresh(victim.refreshToken, JP);
    expect(stolen.status).toBe(428);
    const permissions = ['SETTINGS_SECURITY_VIEW'];
    const auditor = await seedAtHome(GB, { tenantId: victim.tenantId, permissions });
    const { accessToken } = (await auditor.laptop.login(auditor, GB)).body;
    const res = await request(app)
      .get('/api/security/risk-decisions')
      .query({ staffId: victim.staffId, at: 'refresh' })
      .set('authorization', `Bearer ${String(accessToken)}`);
    expect(res.status).toBe(200);
    expect(res.body.decisions).toHaveLength(1);
    const [{ signals, ...decision }] = res.body.decisions;
    expect(decision).toMatchObject({
      score: 85,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
      decision: 'step_up',
      outcome: 'challenged',
      email: victim.email,
    });
    expect(signals).toEqual((await decisionBehind(stolen)).signals);
    const sessions = await sessionsOf(victim.staffId);
    const hashes = sessions.flatMap(({ deviceHashes }) => deviceHashes ?? []);
    expect(hashes).toHaveLength(2);
    const secrets = [JP, GB, userAgent, victim.refreshToken, stolen.body.refreshToken, ...hashes];
    expect(secrets.filter((secret) => JSON.stringify(signals).includes(secret))).toEqual([]);
  });
});

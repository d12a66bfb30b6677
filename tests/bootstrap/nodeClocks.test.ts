import { join } from 'node:path';
import { currentTotpCode } from '@/server/security';
import { ask } from '../helpers/database/askDatabase';
import { operate } from '../helpers/server/operatorCommand';
import { pollUntil } from '../helpers/time/pollUntil';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '../helpers/testRun/seedTemplate';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';

const SHIFT = join(__dirname, '..', 'helpers', 'time', 'shiftClock.cjs');

/** Starts a server whose wall clock is wrong by that many seconds. */
const shifted = (seconds: number) =>
  startServer({
    ...externalEnv(),
    LOG_LEVEL: 'warn',
    NODE_OPTIONS: `--require ${SHIFT}`,
    SHIFT_MS: String(seconds * 1000),
  });

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function post(
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const res = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await res.text();
  return { status: res.status, body: text.startsWith('{') ? JSON.parse(text) : {} };
}

const login = (url: string) =>
  post(`${url}/api/auth/login`, { email: SEEDED_EMAIL, password: SEEDED_PASSWORD });
const bearer = (token: unknown) => ({ authorization: `Bearer ${String(token)}` });
const claimsOf = (token: unknown) =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    number
  >;

async function readiness(url: string) {
  const res = await fetch(`${url}/health/ready`);
  const { checks } = (await res.json()) as {
    checks: { clock: { ok: boolean; reason?: string; findings?: string[] } };
  };
  return { status: res.status, clock: checks.clock };
}

let secret: string;

beforeAll(async () => {
  const url = process.env['DATABASE_URL'] ?? '';
  await ask(url, `UPDATE tenant_staff SET permissions = '{SETTINGS_SECURITY_VIEW}'`);
  const env = { ...externalEnv(), LOG_LEVEL: 'silent' };
  const words = ['staff', 'enroll-totp', '--tenant', 'test-tenant', '--email', SEEDED_EMAIL];
  secret = (JSON.parse((await operate(env, words)).stdout) as { totpSecret: string }).totpSecret;
});

describe('two nodes, one 45 seconds ahead and one 45 seconds behind', () => {
  let ahead: string;
  let behind: string;

  beforeAll(async () => {
    [ahead = '', behind = ''] = await Promise.all(
      [shifted(45), shifted(-45)].map((node) => node.url()),
    );
  });
  afterAll(killServers);

  it('take each other’s tokens, which are dated by the database and say no nbf', async () => {
    for (const [one, other] of [
      [ahead, behind],
      [behind, ahead],
    ] as const) {
      const { accessToken } = (await login(one)).body;
      const me = await fetch(`${other}/api/auth/me`, { headers: bearer(accessToken) });
      expect(me.status).toBe(200);
      const claims = claimsOf(accessToken);
      expect(claims).not.toHaveProperty('nbf');
      // The database runs on this machine.
      expect(Math.abs((claims['iat'] ?? 0) - Date.now() / 1000)).toBeLessThan(40);
    }
  });

  it('give a lost answer of one again at the other', async () => {
    const { refreshToken } = (await login(ahead)).body;
    const key = { 'idempotency-key': 'the-key-of-this-request' };
    const first = await post(`${ahead}/api/auth/refresh`, { refreshToken }, key);
    const again = await post(`${behind}/api/auth/refresh`, { refreshToken }, key);
    expect([first.status, again.status]).toStrictEqual([200, 200]);
    expect(again.body['refreshToken']).toBe(first.body['refreshToken']);
  });

  it('judge a code by the true time, for a challenge that the other opened', async () => {
    const { accessToken } = (await login(ahead)).body;
    const ask428 = (url: string) =>
      post(
        `${url}/api/compliance/export/bundle`,
        { from: '2026-01-01', to: '2026-01-02', format: 'json' },
        bearer(accessToken),
      );
    const asked = await ask428(ahead);
    expect(asked.status).toBe(428);
    const left = Date.parse(String(asked.body['expiresAt'])) - Date.now();
    expect(left).toBeLessThan(15 * 60_000);
    const code = await currentTotpCode(secret, new Date());
    const { challengeId } = asked.body;
    const proof = { code, purpose: 'data_export', challengeId };
    const verified = await post(
      `${behind}/api/security/step-up/verify`,
      proof,
      bearer(accessToken),
    );
    expect(verified.status).toBe(200);
    expect((await ask428(behind)).status).toBe(200);
  });

  it('are not ready, and say by how much they are off', async () => {
    const answers = await Promise.all([ahead, behind].map(readiness));
    expect(answers.map(({ status }) => status)).toStrictEqual([503, 503]);
    expect(answers.map(({ clock }) => clock.reason)).toStrictEqual([
      expect.stringMatching(/^The clock of this node is 4[45]\.\d s ahead of the database's\.$/),
      expect.stringMatching(/^The clock of this node is 4[456]\.\d s behind the database's\.$/),
    ]);
  });
});

describe('a node whose clock is off', () => {
  afterEach(killServers);

  it('by ten seconds is ready, and says so in its log, its metrics and its readiness', async () => {
    const node = shifted(10);
    const url = await node.url();
    const { status, clock } = await readiness(url);
    expect(status).toBe(200);
    expect(clock.findings).toStrictEqual([
      expect.stringMatching(
        /^The clock of this node is (9\.\d|10\.\d) s ahead of the database's\.$/,
      ),
    ]);
    expect(node.stdout()).toContain('CLOCK_OFFSET');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const [, offset] = /^gatehouse_clock_offset_seconds (\S+)$/m.exec(metrics) ?? [];
    expect(Math.round(Number(offset))).toBe(10);
  });

  it('like those of all other nodes is ready, and warns of the database’s clock', async () => {
    const nodes = await Promise.all([shifted(45), shifted(45)].map((node) => node.url()));
    const answers = await pollUntil(
      'each has heard of the other',
      () => Promise.all(nodes.map(readiness)),
      (all) => all.every(({ status }) => status === 200),
      40_000,
    );
    for (const { clock } of answers) {
      expect(clock).toStrictEqual({
        ok: true,
        findings: [expect.stringMatching(/all nodes .* check the clock of the database\.$/)],
      });
    }
  });
});

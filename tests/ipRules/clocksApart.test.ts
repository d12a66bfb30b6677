import { join } from 'node:path';
import { ask } from '@/tests/helpers/database/askDatabase';
import { ELSEWHERE, OFFICE, OFFICE_RANGE, allow } from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';

const SHIFT = join(__dirname, '..', 'helpers', 'time', 'shiftClock.cjs');
const RULES = '/api/security/ip-rules';
const databaseUrl = process.env['DATABASE_URL'] ?? '';
/** A clock is as exact as the middle of a round trip, and the machine may be busy. */
const TOLERANCE_MS = 500;

/** Starts a server whose wall clock is wrong by that many minutes. @returns its URL */
const shifted = (minutes: number) =>
  startServer({
    ...{ ...externalEnv(), LOG_LEVEL: 'silent', TRUST_PROXY: 'loopback' },
    ...{ NODE_OPTIONS: `--require ${SHIFT}`, SHIFT_MS: String(minutes * 60_000) },
  }).url();

/** Returns the time of the database, in milliseconds. */
async function databaseNow(): Promise<number> {
  const [row] = await ask<{ now: number }>(
    databaseUrl,
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  return row?.now ?? NaN;
}

const headersOf = ({ token }: { token: string }, address: string) => ({
  ...{ authorization: `Bearer ${token}`, 'x-forwarded-for': address },
  ...{ 'content-type': 'application/json', 'x-stepup-test-bypass': '1' },
});

interface Sample {
  status: number;
  before: number;
  after: number;
}

/** Asks a node again and again until a moment of the database's time. */
async function sampleUntil(
  url: string,
  headers: Record<string, string>,
  endMs: number,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let after = 0; after < endMs;) {
    const before = await databaseNow();
    const { status } = await fetch(`${url}/api/auth/me`, { headers });
    after = await databaseNow();
    samples.push({ status, before, after });
  }
  return samples;
}

afterAll(killServers);

it('a trial and a rule end by the time of the database on nodes whose clocks are ten minutes apart', async () => {
  const officer = await seedOfficer();
  const { tenantId } = officer;
  const member = await seedTestUserAndToken({ tenantId });
  const urls = await Promise.all([shifted(-5), shifted(5)]);
  const [behind = '', ahead = ''] = urls;
  const put = async (url: string, body: object) => {
    const init = { method: 'PUT', headers: headersOf(officer, OFFICE) };
    const res = await fetch(`${url}${RULES}`, { ...init, body: JSON.stringify(body) });
    return (await res.json()) as { version: number; trial: { endsAt: string } | null };
  };
  const expiresAt = new Date((await databaseNow()) + 3_600_000).toISOString();
  const rules = [allow(OFFICE_RANGE), allow('198.51.100.0/24', { expiresAt })];
  const { version } = await put(behind, { version: 0, rules });
  const trial = { version, rules: [allow(OFFICE_RANGE)], trialMinutes: 10 };
  const begun = await put(ahead, trial);
  const endsIn = Date.parse(begun.trial?.endsAt ?? '') - (await databaseNow());
  expect(Math.abs(endsIn - 600_000)).toBeLessThan(30_000);

  // Both ends come soon: the trial that refuses the other network, and then the rule that allows it.
  const now = await databaseNow();
  const ends = [now + 3000, now + 6000] as const;
  const [trialEnd, ruleEnd] = ends.map((ms) => new Date(ms).toISOString());
  await ask(
    databaseUrl,
    'UPDATE ip_rules SET expires_at = $2 WHERE tenant_id = $1 AND expires_at IS NOT NULL',
    [tenantId, ruleEnd],
  );
  await ask(databaseUrl, 'UPDATE ip_rule_sets SET trial_ends_at = $2 WHERE tenant_id = $1', [
    tenantId,
    trialEnd,
  ]);
  const sampled = await Promise.all(
    urls.map((url) => sampleUntil(url, headersOf(member, ELSEWHERE), ends[1] + 2 * TOLERANCE_MS)),
  );
  for (const samples of sampled) {
    for (const { status, before, after } of samples) {
      const mayPass = after >= ends[0] - TOLERANCE_MS && before < ends[1] + TOLERANCE_MS;
      const mayBeRefused = before < ends[0] + TOLERANCE_MS || after >= ends[1] - TOLERANCE_MS;
      expect([mayPass && 200, mayBeRefused && 403]).toContain(status);
    }
    expect(samples.at(-1)?.status).toBe(403);
    expect(samples.map(({ status }) => status)).toContain(200);
  }
});

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeyRing, generateSecrets } from '@/server/keyRing';
import { readSecrets } from '@/server/config/keySettings';
import { currentTotpCode } from '@/server/security';
import { tagId } from '@/server/taggedId';
import { ask } from '../helpers/database/askDatabase';
import { closeLater } from '../helpers/server/closing';
import { operate } from '../helpers/server/operatorCommand';
import { pollUntil } from '../helpers/time/pollUntil';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '../helpers/testRun/seedTemplate';
import { startInProcess, stopServers } from '../helpers/server/serverInProcess';
import { REPOSITORY, externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import { createTestDatabase } from '../helpers/database/testDatabase';

afterEach(async () => {
  await killServers();
  await stopServers();
});

interface RunningNode {
  env: NodeJS.ProcessEnv;
  url: string;
  /** Stops it as SIGTERM does. @returns the exit code */
  stop(): Promise<number | null>;
}

type Setting = 'JWT_SIGNING_KEY' | 'TOKEN_HASH_KEY' | 'ENCRYPTION_KEY' | 'EVIDENCE_SIGNING_KEY';

/** Returns the settings of each step in docs/key-rotation.md. */
function readSteps(setting: Setting): string[] {
  const page = readFileSync(join(REPOSITORY, 'docs', 'key-rotation.md'), 'utf8');
  const section = page.split(`### ${setting}\n`)[1]?.split(/\n##+ /)[0] ?? '';
  return [...section.matchAll(/```sh\n([^`]+)```/g)].map(([, block]) => block ?? '');
}

const publicHalf = (pem: string) =>
  createPublicKey(pem).export({ format: 'pem', type: 'spki' }).toString();

function toEnv(step: string, keys: { old: string; next: string }): NodeJS.ProcessEnv {
  const values: Record<string, () => string> = {
    OLD: () => keys.old,
    NEW: () => keys.next,
    OLD_PUBLIC: () => publicHalf(keys.old),
    NEW_PUBLIC: () => publicHalf(keys.next),
  };
  const lines = step
    .trim()
    .split('\n')
    .map((line) => line.split('=') as [string, string]);
  return Object.fromEntries(lines.map(([name, value]) => [name, values[value]?.()]));
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
  cookies: string[];
}

async function post(
  url: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const res = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'a laptop', ...headers },
    body: JSON.stringify(body),
  });
  const text = await res.text();
  const cookies = res.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '');
  return { status: res.status, body: text.startsWith('{') ? JSON.parse(text) : {}, cookies };
}

/** A person who stays signed in the whole time, on one device, at either node. */
interface Person {
  accessToken: string;
  refreshToken: string;
  cookie: string;
  secret: string;
  notice: string;
}

let database: string;
let nodes: RunningNode[];
/**
 * A request that needs a proof. A bundle takes the longest, so it is requested only if the evidence
 * key changes.
 */
let guarded: { path: string; body: object };
const CODES = { path: '/api/security/recovery-codes', body: {} };
const BUNDLE = {
  path: '/api/compliance/export/bundle',
  body: { from: '2026-01-01', to: '2026-01-01', format: 'json' },
};
let open: (env: NodeJS.ProcessEnv) => Promise<RunningNode>;

async function openProcess(env: NodeJS.ProcessEnv): Promise<RunningNode> {
  const server = startServer(env);
  // There are two of them on a busy machine. The test waits until it listens, and not for how fast
  // that is.
  const said = () => Promise.resolve(/listens on (\S+)\n/.exec(server.stdout())?.[1] ?? '');
  const url = await pollUntil('the server listens', said, (found) => found !== '', 90_000);
  const stop = () => {
    server.signal('SIGTERM');
    return server.exited;
  };
  return { env, url, stop };
}

async function openInProcess(env: NodeJS.ProcessEnv): Promise<RunningNode> {
  const server = startInProcess(env);
  const stop = () => {
    server.stop();
    return server.exited;
  };
  return { env, url: await server.url(), stop };
}

async function signIn(url: string, cookie = ''): Promise<Answer> {
  const body = { email: SEEDED_EMAIL, password: SEEDED_PASSWORD, rememberMe: true };
  const answer = await post(`${url}/api/auth/login`, body, cookie === '' ? {} : { cookie });
  expect(answer.status).toBe(200);
  return answer;
}

async function enrolPerson(env: NodeJS.ProcessEnv, url: string): Promise<Person> {
  await ask(database, `UPDATE tenant_staff SET permissions = '{SETTINGS_SECURITY_VIEW}'`);
  const words = ['staff', 'enroll-totp', '--tenant', 'test-tenant', '--email', SEEDED_EMAIL];
  const { totpSecret } = JSON.parse((await operate(env, words)).stdout) as { totpSecret: string };
  const { body, cookies } = await signIn(url);
  const [mail] = await ask<{ id: string }>(
    database,
    `INSERT INTO mails (tenant_id, user_id, staff_id, kind, expires_at, sent_at)
     SELECT tenant_id, user_id, id, 'new_device', now() + interval '7 days', now() FROM tenant_staff RETURNING id`,
  );
  const secrets = readSecrets(env);
  if (!secrets || !mail) throw new Error('the scene could not be set');
  const kind = { purpose: 'notice', prefix: 'ntc_' } as const;
  return {
    accessToken: String(body['accessToken']),
    refreshToken: String(body['refreshToken']),
    cookie: cookies.find((each) => each.includes('gh_device')) ?? '',
    secret: totpSecret,
    notice: tagId(createKeyRing(secrets), kind, mail.id),
  };
}

/** Everything that the person has must still work at each node, without another proof. */
async function expectAllWell(person: Person): Promise<void> {
  const urls = nodes.map(({ url }) => url);
  for (const [index, url] of urls.entries()) {
    const other = urls[1 - index] ?? '';
    const key = { 'idempotency-key': `${index}-${Math.random()}`, cookie: person.cookie };
    const { refreshToken } = person;
    const fresh = await post(`${url}/api/auth/refresh`, { refreshToken }, key);
    const again = await post(`${other}/api/auth/refresh`, { refreshToken }, key);
    expect([fresh.status, again.status]).toStrictEqual([200, 200]);
    expect(again.body['refreshToken']).toBe(fresh.body['refreshToken']);
    person.refreshToken = String(fresh.body['refreshToken']);
    const bearer = { authorization: `Bearer ${person.accessToken}` };
    expect((await fetch(`${other}/api/auth/me`, { headers: bearer })).status).toBe(200);
    person.accessToken = String(fresh.body['accessToken']);
    await expectProof(person, url, other);
    expect((await fetch(`${other}/api/security/notices/${person.notice}`)).status).toBe(200);
    await expectKnownDevice(person, url);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  }
}

/** A challenge of one node is answered at the other, with a code from the authenticator. */
async function expectProof(person: Person, url: string, other: string): Promise<void> {
  const headers = { authorization: `Bearer ${person.accessToken}` };
  const act = () => post(`${url}${guarded.path}`, guarded.body, headers);
  const asked = await act();
  expect(asked.status).toBe(428);
  const { challengeId, purpose } = asked.body;
  // Within one time step, the server would correctly refuse the same code.
  await ask(database, 'UPDATE user_totp SET last_used_step = NULL');
  const code = await currentTotpCode(person.secret, new Date());
  const proof = { code, purpose, challengeId };
  const verified = await post(`${other}/api/security/step-up/verify`, proof, headers);
  expect([verified.status, verified.body['error']]).toStrictEqual([200, undefined]);
  expect((await act()).status).toBe(200);
}

async function expectKnownDevice(person: Person, url: string): Promise<void> {
  const { cookies } = await signIn(url, person.cookie);
  // A browser keeps the new cookie: each sign-in signs the cookie again with the current key.
  person.cookie = cookies.find((each) => each.includes('gh_device')) ?? person.cookie;
  const [login] = await ask<{ reasons: string[] }>(
    database,
    `SELECT details->'reasons' AS reasons FROM audit_logs WHERE action = 'AUTH_LOGIN_SUCCEEDED'
     ORDER BY occurred_at DESC LIMIT 1`,
  );
  expect(login?.reasons).toStrictEqual([]);
  // The cookie and the user agent, although several keys have hashed them.
  expect(await ask(database, 'SELECT FROM known_devices')).toHaveLength(2);
}

interface Status {
  setting: string;
  state: string;
  left: Record<string, number>;
  canGo: boolean;
}

async function statusOf(env: NodeJS.ProcessEnv, setting: Setting): Promise<Status[]> {
  const { stdout } = await operate(env, ['keys', 'status']);
  const { keys } = JSON.parse(stdout) as { keys: Status[] };
  return keys.filter((key) => key.setting === setting);
}

/** Lets eight days pass, so that everything that the old key made expires. */
const PASS_TIME: Partial<Record<Setting, string>> = {
  JWT_SIGNING_KEY: `UPDATE key_checks SET first_used_at = first_used_at - interval '8 days'`,
  TOKEN_HASH_KEY: `WITH keys AS (UPDATE key_checks SET first_used_at = first_used_at - interval '8 days'),
    links AS (UPDATE mails SET created_at = created_at - interval '9 days')
    UPDATE refresh_tokens SET absolute_expires_at = now() - interval '1 second', expires_at = now() - interval '1 second'
    WHERE key_id <> (SELECT key_id FROM key_checks WHERE setting = 'TOKEN_HASH_KEY' ORDER BY first_used_at DESC LIMIT 1)`,
};

const NEXT: Record<Setting, () => string> = {
  JWT_SIGNING_KEY: () => generateSecrets().jwtSigningKey,
  TOKEN_HASH_KEY: () => generateSecrets().tokenHashKey,
  ENCRYPTION_KEY: () => generateSecrets().encryptionKey,
  EVIDENCE_SIGNING_KEY: () => generateSecrets().evidenceSigningKey,
};

async function restartWith(step: NodeJS.ProcessEnv, person: Person): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    expect(await node.stop()).toBe(0);
    nodes[index] = await open({ ...node.env, ...step });
    await expectAllWell(person);
  }
}

describe('docs/key-rotation.md, step by step on two nodes: nobody is signed out, nor asked for more', () => {
  // Only one case uses processes, because starting and stopping with other keys is the same for
  // each setting.
  it.each<[Setting, number, typeof open]>([
    ['TOKEN_HASH_KEY', 3, openInProcess],
    ['ENCRYPTION_KEY', 3, openInProcess],
    ['JWT_SIGNING_KEY', 3, openInProcess],
    ['EVIDENCE_SIGNING_KEY', 2, openProcess],
  ])(
    '%s',
    async (setting, count, opener) => {
      open = opener;
      guarded = setting === 'EVIDENCE_SIGNING_KEY' ? BUNDLE : CODES;
      const created = await createTestDatabase();
      closeLater(created.drop);
      database = created.url;
      const env: NodeJS.ProcessEnv = { ...externalEnv(database), LOG_LEVEL: 'silent' };
      nodes = await Promise.all([open(env), open(env)]);
      const person = await enrolPerson(env, nodes[0]?.url ?? '');
      await expectAllWell(person);

      const keys = { old: env[setting] ?? '', next: NEXT[setting]() };
      const steps = readSteps(setting).map((step) => toEnv(step, keys));
      expect(steps).toHaveLength(count);
      for (const step of steps.slice(0, 2)) await restartWith(step, person);
      const during = { ...env, ...steps[1] };
      if (setting === 'TOKEN_HASH_KEY') {
        const [old] = await statusOf(during, setting);
        expect(old).toMatchObject({ state: 'accepted', canGo: false });
        expect(old?.left['refreshTokens']).toBeGreaterThan(0);
        expect(old?.left['knownDevices']).toBe(0);
      }
      const [last] = steps.slice(2);
      if (!last) return;
      await ask(database, PASS_TIME[setting] ?? 'SELECT 1');
      await pollUntil(
        'the old key can go',
        () => statusOf(during, setting),
        ([old]) => old?.canGo === true,
      );
      const list = Object.keys(steps[1] ?? {}).find((name) => name.includes('RETIRED')) ?? '';
      if (setting === 'TOKEN_HASH_KEY') return expectOldLinksEnd({ ...last, [list]: '' }, person);
      await restartWith({ ...last, [list]: '' }, person);
      const statuses = await statusOf({ ...env, ...last }, setting);
      expect(statuses.map(({ state }) => state)).toStrictEqual(['missing', 'current']);
    },
    480_000,
  );
});

/** Links in notices are valid for seven days, so those of the old key have expired. */
async function expectOldLinksEnd(step: NodeJS.ProcessEnv, person: Person): Promise<void> {
  const secrets = readSecrets({ ...nodes[0]?.env, ...step });
  const [mail] = await ask<{ id: string }>(
    database,
    `INSERT INTO mails (tenant_id, user_id, staff_id, kind, expires_at, sent_at)
     SELECT tenant_id, user_id, id, 'new_device', now() + interval '7 days', now() FROM tenant_staff RETURNING id`,
  );
  if (!secrets || !mail) throw new Error('the scene could not be set');
  const kind = { purpose: 'notice', prefix: 'ntc_' } as const;
  person.notice = tagId(createKeyRing(secrets), kind, mail.id);
  await restartWith(step, person);
}

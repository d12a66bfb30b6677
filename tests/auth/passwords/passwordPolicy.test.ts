import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { objectionsToPassword, readPasswordOwner } from '@/server/auth';
import { countCommonPasswords, isCommonPassword } from '@/server/auth/passwords/commonPasswords';
import { isOwnWords } from '@/server/auth/passwords/ownWords';
import { loadConfig } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import { db } from '@/server/db';
import { riskPolicies, tenantStaff, tenants, users } from '@/server/db/schema';
import { createLogger } from '@/server/logger';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { login } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { closeLater } from '@/tests/helpers/server/closing';
import { buildApp } from '@/tests/helpers/server/testApp';

const OWNER = {
  email: 'ann.lee@globex.example',
  name: null,
  tenantWords: [],
  factorDemanded: false,
};
const GOOD = 'correct horse battery';
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase();

const { deps } = buildApp();
const codesOf = async (password: string, owner: object = {}, with_ = deps) =>
  (await objectionsToPassword(with_, password, { ...OWNER, ...owner })).map(({ code }) => code);

describe('the length of a new password', () => {
  it.each([
    ['fourteen chars', ['too_short']],
    ['fifteen charact', []],
    // Each of these characters is two UTF-16 units.
    ['𝔵🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃🙂', ['too_short']],
    ['z🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃🙂🙃', []],
    ['ab cd '.repeat(170) + 'efgh', []],
    ['ab cd '.repeat(170) + 'efghi', ['too_long']],
    // One character that becomes eighteen when it is normalised.
    ['\ufdfa', []],
    ['\ufdfa'.repeat(57), ['too_long']],
  ])('counts characters, after normalisation: %#', async (password, codes) => {
    expect(await codesOf(password)).toEqual(codes);
  });

  it('may be 8 only if a second factor is demanded at each login', async () => {
    expect(await codesOf('8 chars!', { factorDemanded: true })).toEqual([]);
    expect(await codesOf('7 chars', { factorDemanded: true })).toEqual(['too_short']);
  });

  it('is 15 unless every tenant in which the person may sign in demands a second factor', async () => {
    const member = await seedTestUserAndToken();
    const other = await seedTestUserAndToken();
    const demands = (tenantId: string, secondFactor: 'always' | 'if_enrolled') =>
      db
        .insert(riskPolicies)
        .values({ tenantId, policy: { ...DEFAULT_POLICY, secondFactor } })
        .onConflictDoUpdate({
          target: riskPolicies.tenantId,
          set: { policy: { ...DEFAULT_POLICY, secondFactor } },
        });
    const demanded = async () => (await readPasswordOwner(db, member.userId))?.factorDemanded;
    expect(await demanded()).toBe(false);
    await demands(member.tenantId, 'always');
    expect(await demanded()).toBe(true);
    const { tenantId } = other;
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    expect(await demanded()).toBe(false);
    await demands(tenantId, 'always');
    expect(await demanded()).toBe(true);
    await demands(tenantId, 'if_enrolled');
    expect(await demanded()).toBe(false);
    // A tenant in which nobody can sign in does not count.
    await db.update(tenants).set({ status: 'suspended' }).where(eq(tenants.id, tenantId));
    expect(await demanded()).toBe(true);
    await db.update(users).set({ status: 'disabled' }).where(eq(users.id, member.userId));
    expect(await demanded()).toBe(false);
  });
});

describe('common passwords', () => {
  it('are more than 10,000, and are refused as a whole, in any case, with spaces, and repeated', async () => {
    expect(countCommonPasswords()).toBeGreaterThan(10_000);
    for (const word of [
      'password1',
      'PassWord1',
      'iloveyou',
      'iloveyouILOVEYOU',
      'zzzzzzzzzzzzzzz',
      'qwertyuiopasdfgh ',
      'qwerty uiop\u200Basdf gh',
      'Sunshine sunshine',
      'aaaaaaa aaaaaaaaa',
      '\u200B'.repeat(15),
    ]) {
      expect([word, isCommonPassword(word)]).toEqual([word, true]);
    }
    expect(await codesOf('passwordpassword')).toContain('common');
    // Full-width letters are the same letters.
    expect(await codesOf('ｐａｓｓｗｏｒｄpassword')).toContain('common');
  });

  it('are no longer refused inside a longer password', async () => {
    expect(await codesOf('my password is a long one')).toEqual([]);
  });
});

describe('own words', () => {
  const NAMES = ['gatehouse', 'Globex Corporation', 'globex', 'ann.lee@globex.example', 'Ann Lee'];

  it.each([
    'globexglobexglobex',
    'Globex-Corporation-2026!',
    'gl0bexC0rp0rat10n',
    '2026annlee-globex',
    'xebolgxebolgxebolg',
    'Welcome2Globex123',
    'globex2026gl0bex2027',
    'AnnLee@Globex.Example',
    '!!!GateHouse!!!2026',
  ])('alone do not make a password: %s', (password) => {
    expect(isOwnWords(password, NAMES)).toBe(true);
  });

  it.each([
    'globex horse battery',
    'annie leeward sails',
    '482915736048291',
    'welcome home password',
  ])('beside other words, or not at all, are no objection: %s', (password) => {
    expect(isOwnWords(password, NAMES)).toBe(false);
  });

  it('are those of the tenants, of the person and of this product', async () => {
    const owner = { tenantWords: ['initech', 'Initech Ltd'], name: 'Zoë Quist' };
    for (const word of ['Initech', 'gatehouse', 'annlee', 'zoëquist']) {
      expect(await codesOf(`${word}-${word}-2026`, owner)).toEqual(['own_words']);
    }
    expect(await codesOf('Initech-Initech-2026')).toEqual([]);
  });

  it('do not make a long password slow', () => {
    const begun = performance.now();
    expect(isOwnWords(`${'a'.repeat(1023)}!`, ['aaa', 'aaaa', 'aaaaa', 'aaaaaa'])).toBe(true);
    expect(isOwnWords(`${'a'.repeat(1022)}bx`, ['aaa', 'aaaa', 'aaaaa', 'aaaaaa'])).toBe(false);
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});

describe('breached passwords', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'gatehouse-breached-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function nodeWith(settings: Partial<ReadyConfig>) {
    const written: string[] = [];
    const stream = { write: (line: string) => void written.push(line) };
    const logger = createLogger({ logLevel: 'trace' }, stream);
    return { ...buildApp(settings, { logger }), log: () => written.join('') };
  }

  function fileOf(lines: readonly string[], end = '\n'): string {
    const path = join(folder, `${Math.random()}.txt`);
    writeFileSync(path, lines.join(end));
    return path;
  }

  const listed = Array.from({ length: 3000 }, (_, index) => `listed password ${index}`);
  const lines = listed.map((password, index) => `${sha1(password)}:${index + 1}`).sort();

  it.each(['\n', '\r\n'])(
    'in a sorted file are all found, and no others (line end %j)',
    async (end) => {
      for (const some of [lines, lines.slice(0, 1), [...lines.slice(0, 2), '']]) {
        const file = nodeWith({ breachedPasswordsFile: fileOf(some, end) }).deps.breachedPasswords;
        const held = new Set(some.map((line) => line.slice(0, 40)));
        for (const password of listed.slice(0, 200)) {
          expect([password, await file.has(password)]).toEqual([
            password,
            held.has(sha1(password)),
          ]);
        }
        for (const line of [some[0], some.findLast((one) => one !== '')]) {
          const password = listed.find((one) => line?.startsWith(sha1(one))) ?? '';
          expect(await file.has(password)).toBe(true);
        }
        expect(await file.has(GOOD)).toBe(false);
      }
    },
  );

  it('are refused with the reason', async () => {
    const node = nodeWith({ breachedPasswordsFile: fileOf(lines) });
    expect(await codesOf(listed[7] ?? '', {}, node.deps)).toEqual(['breached']);
    expect(await codesOf(GOOD, {}, node.deps)).toEqual([]);
  });

  it.each([
    ['missing', () => join(folder, 'nothing'), 'cannot be read'],
    ['empty', () => fileOf([]), 'must have lines such as'],
    ['of another kind', () => fileOf(['password', 'letmein']), 'must have lines such as'],
    ['sorted by count', () => fileOf([...lines].reverse()), 'must be sorted by hash.'],
    [
      'out of order at one place',
      () => fileOf([...lines.slice(9), ...lines.slice(0, 9)]),
      'must be sorted',
    ],
  ])('a file that is %s is refused at the start', (_what, path, sentence) => {
    expect(() => nodeWith({ breachedPasswordsFile: path() })).toThrow(sentence);
  });

  async function serve(answer: RequestListener) {
    const asked: { url: string | undefined; padding: unknown }[] = [];
    const server = createServer((req, res) => {
      asked.push({ url: req.url, padding: req.headers['add-padding'] });
      answer(req, res);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    closeLater(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    return { asked, url: `http://127.0.0.1:${port}/range` };
  }

  it('of a service are found, and it learns five digits of the hash alone', async () => {
    const bad = listed[0] ?? '';
    const { asked, url } = await serve((_req, res) => {
      res.end(`${'0'.repeat(35)}:7\r\n${sha1(bad).slice(5)}:3\r\n${sha1(GOOD).slice(5)}:0`);
    });
    const node = nodeWith({ breachedPasswordsUrl: url });
    expect(await codesOf(bad, {}, node.deps)).toEqual(['breached']);
    // A line of padding.
    expect(await codesOf(GOOD, {}, node.deps)).toEqual([]);
    expect(asked).toEqual(
      [bad, GOOD].map((one) => ({ url: `/range/${sha1(one).slice(0, 5)}`, padding: 'true' })),
    );
  });

  it('are not asked about a password that is refused anyway', async () => {
    const { asked, url } = await serve((_req, res) => void res.end(''));
    expect(await codesOf('short', {}, nodeWith({ breachedPasswordsUrl: url }).deps)).toEqual([
      'too_short',
    ]);
    expect(asked).toEqual([]);
  });

  const failures: [string, RequestListener][] = [
    ['breaks the connection', (_req, res) => void res.destroy()],
    ['answers with an error', (_req, res) => void res.writeHead(503).end()],
    [
      'sends the question elsewhere',
      (_req, res) => void res.writeHead(302, { location: '/' }).end(),
    ],
    ['answers without end', (_req, res) => void res.end('0'.repeat(2_000_000))],
    ['does not answer', () => undefined],
  ];
  it.each(failures)(
    'a service that %s refuses nobody; the log and a metric say so, without the password',
    async (_what, answer) => {
      const { url } = await serve(answer);
      const node = nodeWith({ breachedPasswordsUrl: url });
      expect(await codesOf(GOOD, {}, node.deps)).toEqual([]);
      expect(node.log()).toContain('the list of breached passwords could not be read');
      expect(node.log()).not.toContain(GOOD);
      expect(node.log()).not.toContain(sha1(GOOD));
      const text = await node.deps.metrics.registry.metrics();
      expect(text).toMatch(/task="breached_passwords"\} 1/);
    },
  );
});

describe('the address of the service', () => {
  const BASE = { DATABASE_URL: 'postgres://u:p@db.example/gatehouse', NODE_ENV: 'development' };
  const read = (BREACHED_PASSWORDS_URL: string, more = {}) =>
    loadConfig({ ...BASE, ...more, BREACHED_PASSWORDS_URL }).breachedPasswordsUrl;

  it('loses the slash at its end', () => {
    expect(read('https://api.pwnedpasswords.com/range/')).toBe(
      'https://api.pwnedpasswords.com/range',
    );
    expect(read('')).toBeUndefined();
  });

  it('is an address without a query, with https in production', () => {
    for (const value of [
      'nonsense',
      'ftp://a.example',
      'https://u:p@a.example',
      'https://a.example/?q',
    ]) {
      expect(() => read(value)).toThrow('BREACHED_PASSWORDS_URL must be the address');
    }
    expect(() => read('http://a.example/range', { NODE_ENV: 'production' })).toThrow(
      'BREACHED_PASSWORDS_URL must be the address',
    );
  });
});

describe('an existing password', () => {
  it.each(['short', 'password', '12345678'])(
    'that the policy would refuse today stays valid: %s',
    async (password) => {
      const person = await seedTestUserAndToken({ password });
      expect((await login(buildApp().app, { email: person.email, password })).status).toBe(200);
    },
  );
});

import { ConfigError, loadConfig } from '@/server/config';

const BASE = { DATABASE_URL: 'postgres://u:p@db.example/gatehouse', NODE_ENV: 'development' };
const KEYS = Object.fromEntries(
  ['JWT_SIGNING_KEY', 'TOKEN_HASH_KEY', 'ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY'].map((name) => [
    name,
    process.env[name],
  ]),
);
const PRODUCTION = { ...BASE, ...KEYS, NODE_ENV: 'production' };
const FROM = { MAIL_FROM: 'security@gatehouse.example' };

const mailOf = (env: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv = BASE) =>
  loadConfig({ ...base, ...env }).mail;

function problemsOf(env: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv = BASE): readonly string[] {
  try {
    loadConfig({ ...base, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('SMTP_URL', () => {
  it('gives host, port, user and password; ports are those of submission', () => {
    expect(mailOf({ ...FROM, SMTP_URL: 'smtps://ann%40b:p%2Fw@mail.example' })).toEqual({
      smtp: {
        host: 'mail.example',
        port: 465,
        tls: 'implicit',
        auth: { user: 'ann@b', pass: 'p/w' },
        timeoutMs: 10_000,
      },
      from: { name: '', address: 'security@gatehouse.example' },
      publicUrl: undefined,
    });
    expect(mailOf({ ...FROM, SMTP_URL: 'smtp://mail.example' }).smtp?.port).toBe(587);
    expect(mailOf({ ...FROM, SMTP_URL: 'smtp://[::1]:2525' }).smtp).toMatchObject({
      host: '::1',
      port: 2525,
    });
  });

  it.each([
    ['smtp://mail.example', PRODUCTION, 'required'],
    ['smtp://10.0.0.7', PRODUCTION, 'required'],
    ['smtp://localhost.evil.example', PRODUCTION, 'required'],
    ['smtp://mail.example', BASE, 'offered'],
    ['smtp://127.0.0.1', PRODUCTION, 'none'],
    ['smtp://localhost', PRODUCTION, 'none'],
    ['smtp://[::1]', PRODUCTION, 'none'],
    ['smtps://localhost', PRODUCTION, 'implicit'],
  ] as const)('%s is spoken to with the encryption that the place asks for', (url, base, tls) => {
    expect(mailOf({ ...FROM, SMTP_URL: url }, base).smtp?.tls).toBe(tls);
  });

  it.each([
    'mail.example',
    'http://mail.example',
    'smtp://',
    'smtp://u@mail.example',
    'smtp://:p@mail.example',
    'smtp://u:hunter%@mail.example',
    'smtp://mail.example/path',
    'smtp://mail.example?tls=no',
    'smtp://mail.example#x',
    'smtp://mail.example:70000',
  ])('%s refuses the start in one sentence that does not repeat it', (url) => {
    const problems = problemsOf({ ...FROM, SMTP_URL: url });
    expect(problems).toEqual([expect.stringMatching(/^SMTP_URL must be smtp:\/\/host or /)]);
    expect(problems.join()).not.toMatch(/hunter|mail\.example/);
  });

  it('needs MAIL_FROM', () => {
    expect(problemsOf({ SMTP_URL: 'smtp://mail.example' })).toEqual([
      expect.stringMatching(/^MAIL_FROM is missing/),
    ]);
  });
});

describe('MAIL_FROM', () => {
  it.each([
    ['a@b.example', '', 'a@b.example'],
    ['<a@b.example>', '', 'a@b.example'],
    ['Gatehouse <a@b.example>', 'Gatehouse', 'a@b.example'],
    ['"Gate, House" <a@b.example>', 'Gate, House', 'a@b.example'],
    ['No-Reply@Example.com', '', 'No-Reply@example.com'],
    ['Tür <a@münchen.example>', 'Tür', 'a@xn--mnchen-3ya.example'],
  ])('%s is a name and an address', (value, name, address) => {
    expect(mailOf({ MAIL_FROM: value }).from).toEqual({ name, address });
  });

  it.each([
    'nobody',
    'a..b@c.example',
    'a@b_c.example',
    'a@192.0.2.1',
    'a@b.example.',
    'Name <a@-b.example>',
    'a@b.example\r\nBcc: c@d.example',
    'Gate\nhouse <a@b.example>',
    'a@b.example, c@d.example',
    'a@b.example>,<c@d.example',
    'Name <a@b.example> more',
    `${'n'.repeat(101)} <a@b.example>`,
  ])('%j refuses the start', (value) => {
    expect(problemsOf({ MAIL_FROM: value })).toEqual([
      expect.stringMatching(/^MAIL_FROM must be an address/),
    ]);
  });
});

describe('PUBLIC_URL', () => {
  it.each([
    ['https://id.example', 'https://id.example', PRODUCTION],
    ['https://id.example:8443/', 'https://id.example:8443', PRODUCTION],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000', BASE],
    ['https://example.com/auth', 'https://example.com/auth', PRODUCTION],
    ['https://EXAMPLE.com:443/auth/v1/', 'https://example.com/auth/v1', PRODUCTION],
  ])('%s is an address, with or without the path of a gateway', (value, origin, base) => {
    expect(mailOf({ PUBLIC_URL: value }, base).publicUrl).toBe(origin);
  });

  it.each([
    ['http://id.example', PRODUCTION],
    ['https://id.example//app', PRODUCTION],
    ['https://id.example/a b', PRODUCTION],
    ['https://id.example?x=1', BASE],
    ['https://id.example#x', BASE],
    ['https://u:p@id.example', BASE],
    ['javascript:alert(1)', BASE],
    ['id.example', BASE],
  ])('%s refuses the start', (value, base) => {
    expect(problemsOf({ PUBLIC_URL: value }, base)).toEqual([
      expect.stringMatching(/^PUBLIC_URL must be the address/),
    ]);
  });
});

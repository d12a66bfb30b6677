import { tmpdir } from 'node:os';
import { ConfigError, loadConfig } from '@/server/config';

const BASE = { DATABASE_URL: 'postgres://u:p@db.example/gatehouse', NODE_ENV: 'development' };
const KEYS = Object.fromEntries(
  ['JWT_SIGNING_KEY', 'TOKEN_HASH_KEY', 'ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY'].map((name) => [
    name,
    process.env[name],
  ]),
);
const PRODUCTION = { ...BASE, ...KEYS, NODE_ENV: 'production' };

const read = (env: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv = BASE) =>
  loadConfig({ ...base, ...env }).checkpoints;

function problemsOf(env: NodeJS.ProcessEnv, base: NodeJS.ProcessEnv = BASE): readonly string[] {
  try {
    loadConfig({ ...base, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('checkpoints', () => {
  it('stay in the database unless told otherwise', () => {
    expect(read({ AUDIT_CHECKPOINT_FILE: '', AUDIT_CHECKPOINT_WEBHOOK: '' })).toStrictEqual({
      file: undefined,
      webhook: undefined,
    });
  });
});

describe('AUDIT_CHECKPOINT_FILE', () => {
  it('is a path that need not be there yet', () => {
    const path = '/no/such/folder/heads';
    expect(read({ AUDIT_CHECKPOINT_FILE: path }).file?.path).toBe(path);
  });

  it.each(['heads', './heads', '../heads', '/var/lib/', tmpdir()])(
    '%s refuses the start in one sentence',
    (path) => {
      expect(problemsOf({ AUDIT_CHECKPOINT_FILE: path })).toEqual([
        'AUDIT_CHECKPOINT_FILE must be the absolute path of a file, not of a folder.',
      ]);
    },
  );
});

describe('AUDIT_CHECKPOINT_WEBHOOK', () => {
  it.each([
    ['https://heads.example/x?y=z', PRODUCTION],
    ['https://10.0.0.7:8443', PRODUCTION],
    ['http://127.0.0.1:9000/heads', PRODUCTION],
    ['http://[::1]:9000/heads', PRODUCTION],
    ['http://localhost/heads', PRODUCTION],
    ['http://heads.example', BASE],
  ])('%s is a receiver', (url, base) => {
    const { webhook } = read({ AUDIT_CHECKPOINT_WEBHOOK: url }, base);
    expect(webhook).toMatchObject({ url, token: undefined });
    expect(webhook?.sink).not.toContain('example');
  });

  it.each([
    ['http://heads.example', PRODUCTION],
    ['http://localhost.evil.example/', PRODUCTION],
    ['http://10.0.0.7/', PRODUCTION],
    ['ftp://heads.example', BASE],
    ['file:///etc/passwd', BASE],
    ['heads.example', BASE],
    ['https://user:hunter2@heads.example', BASE],
    ['https://heads.example/#hunter2', BASE],
  ])('%s refuses the start in one sentence that does not repeat it', (url, base) => {
    const problems = problemsOf({ AUDIT_CHECKPOINT_WEBHOOK: url }, base);
    expect(problems).toEqual([expect.stringMatching(/^AUDIT_CHECKPOINT_WEBHOOK must be /)]);
    expect(problems.join()).not.toMatch(/hunter|example|10\.0/);
  });

  it('is the same receiver with another token, and another one at another address', () => {
    const sinkOf = (url: string, token: string) =>
      read({ AUDIT_CHECKPOINT_WEBHOOK: url, AUDIT_CHECKPOINT_WEBHOOK_TOKEN: token }).webhook?.sink;
    expect(sinkOf('https://a.example/1', 'one')).toBe(sinkOf('https://a.example/1', 'two'));
    expect(sinkOf('https://a.example/1', 'one')).not.toBe(sinkOf('https://a.example/2', 'one'));
  });
});

describe('AUDIT_CHECKPOINT_WEBHOOK_TOKEN', () => {
  it('is kept', () => {
    const env = { AUDIT_CHECKPOINT_WEBHOOK: 'https://a.example' };
    expect(read({ ...env, AUDIT_CHECKPOINT_WEBHOOK_TOKEN: 'aB9-._~+/==' }).webhook?.token).toBe(
      'aB9-._~+/==',
    );
  });

  it.each(['two words', 'line\r\nx-header: 1', 'schlüssel', '=a'])(
    '%j refuses the start and is not repeated',
    (token) => {
      const env = { AUDIT_CHECKPOINT_WEBHOOK: 'https://a.example' };
      const problems = problemsOf({ ...env, AUDIT_CHECKPOINT_WEBHOOK_TOKEN: token });
      expect(problems).toEqual([
        expect.stringMatching(/^AUDIT_CHECKPOINT_WEBHOOK_TOKEN may contain only/),
      ]);
      expect(problems.join()).not.toContain(token);
    },
  );

  it('alone is for nobody', () => {
    expect(problemsOf({ AUDIT_CHECKPOINT_WEBHOOK_TOKEN: 'abc' })).toEqual([
      expect.stringMatching(/^AUDIT_CHECKPOINT_WEBHOOK is missing/),
    ]);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig, settings } from '@/server/config';
import { addEnvironmentFile } from '@/server/config/environmentFile';
import { generateSecrets } from '@/server/keyRing';
import { findUnknownSettings } from '@/server/config/unknownSettings';

const known = Object.keys(settings.shape);
const found = (env: NodeJS.ProcessEnv) => findUnknownSettings(env, known);

describe('a setting that looks like ours and is none', () => {
  it.each([
    ['REFRESH_TTL_SECS', undefined],
    ['JWT_SIGNINGKEY', 'JWT_SIGNING_KEY'],
    ['JWT_SECRET', undefined],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['database_url', 'DATABASE_URL'],
    ['TRUSTED_PROXY', 'TRUST_PROXY'],
    ['METRICS_TOKENS', 'METRICS_TOKEN'],
    ['HASH_QUEUE_SIZE', 'HASH_QUEUE_LIMIT'],
    ['ACCESS_TOKEN_TTL_SECONDS', 'ACCESS_TOKEN_TTL_SEC'],
    ['GATEHOUSE_DATADIR', 'GATEHOUSE_DATA_DIR'],
    ['GATEHOUSE_COLOUR', undefined],
    ['SMTP_HOST', undefined],
    ['SMTP_PORT', undefined],
    ['LOG_LEVL', 'LOG_LEVEL'],
    ['DRAIN_DELAY', 'DRAIN_DELAY_SEC'],
    ['KEEP_ALIVE_TIMEOUT', 'KEEP_ALIVE_TIMEOUT_SEC'],
    ['TRUST_PROXIES', 'TRUST_PROXY'],
    ['CORS_ALLOWED_ORIGINS', 'CORS_ORIGINS'],
    ['PASSWORD_MIN', 'PASSWORD_MIN_LENGTH'],
    ['CORS_CREDENTIALS', undefined],
    ['KEEP_ALIVE_PROBES', undefined],
  ])('%s is named, with %s', (name, meant) => {
    const hint = meant === undefined ? '.' : `; did you mean ${meant}?`;
    expect(found({ [name]: 'unspeakable' })).toEqual([`${name} is an unknown setting${hint}`]);
  });

  it('is never told of what other programs use', () => {
    const others = `PATH HOME HOSTNAME HOSTS PORTS LANG LC_ALL TERM USER SHELL PWD OLDPWD MAIL EDITOR COLORTERM
      NODE_PATH NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_NO_WARNINGS PGHOST PGPASSWORD PGSSLMODE TZ CI DEBUG
      ACCESS_TOKEN TOKEN_SECRET TRUST_STORE HASH_KEY KEEP_ALIVE LOGIN_URL PASSWORD_FILE METRICS_PORT LOG_FORMAT LOG_FILE PUBLIC_KEY PUBLIC_HOST RELEASE_ID REQUEST_ID SESSION_ID TOKEN PASSWORD IP_ADDRESS
      npm_config_cache npm_lifecycle_event npm_package_name INIT_CWD XDG_SESSION_ID SSH_AUTH_SOCK AWS_REGION
      KUBERNETES_SERVICE_HOST KUBERNETES_PORT GATEHOUSE_SERVICE_HOST GATEHOUSE_SERVICE_PORT
      GATEHOUSE_SERVICE_PORT_HTTP GATEHOUSE_PORT_3000_TCP GATEHOUSE_PORT_3000_TCP_ADDR`;
    const env = Object.fromEntries(others.split(/\s+/).map((name) => [name, 'x']));
    const link = { GATEHOUSE_PORT: 'tcp://10.0.0.1:3000', SMTP_PORT: 'tcp://10.0.0.2:25' };
    expect(found({ ...env, ...link })).toEqual([]);
  });

  it('is never told of a setting that is read', () => {
    expect(found(Object.fromEntries(known.map((name) => [name, 'x'])))).toEqual([]);
    expect(loadConfig({}).unknownSettings).toEqual([]);
  });

  it('is named beside the one that is missing', () => {
    const { jwtSigningKey } = generateSecrets();
    const load = () => loadConfig({ NODE_ENV: 'production', JWT_SIGNINGKEY: jwtSigningKey });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(
      /^JWT_SIGNING_KEY is missing: [^]*\nJWT_SIGNINGKEY is an unknown setting; did you mean JWT_SIGNING_KEY\?$/m,
    );
    expect(load).not.toThrow(/PRIVATE KEY/);
  });
});

it.each([
  ['PORT', 'abc', 'a whole number, written in digits only'],
  ['PORT', '70000', 'a whole number of at most 65535'],
  ['PORT', '1.5', 'a whole number, written in digits only'],
  ['DRAIN_DELAY_SEC', '5s', 'a whole number, written in digits only'],
  ['RATE_LIMIT_PER_KEY', '1e3', 'a whole number, written in digits only'],
  ['RATE_LIMIT_PER_KEY', '0x10', 'a whole number, written in digits only'],
  ['RATE_LIMIT_PER_KEY', '-1', 'a whole number of at least 0'],
  ['DATABASE_POOL_SIZE', '1', 'a whole number of at least 2'],
  ['NODE_ENV', 'prod', 'one of development, test, production'],
])('%s=%s is refused with what it must be', (name, value, demand) => {
  expect(() => loadConfig({ [name]: value })).toThrow(
    new ConfigError([`${name} must be ${demand}.`]),
  );
});

it('a start names every fault of its settings at once: those that cannot be read, and what is wrong or missing beside them', () => {
  const load = () =>
    loadConfig({
      ...{ NODE_ENV: 'production', PORT: 'abc', REQUEST_TIMEOUT_SEC: 'x', LOG_LEVL: 'debug' },
      ...{ RELEASE: 'a b', HEADERS_TIMEOUT_SEC: '300', SMTP_URL: 'smtp://mail.example' },
    });
  const named = (problems: readonly string[]) =>
    problems.map((problem) => problem.slice(0, problem.indexOf(' ')));
  let problems: readonly string[] = [];
  try {
    load();
  } catch (error) {
    ({ problems } = error as ConfigError);
  }
  expect(named(problems).sort()).toEqual(
    [
      ...['PORT', 'REQUEST_TIMEOUT_SEC', 'LOG_LEVL', 'RELEASE', 'MAIL_FROM', 'DATABASE_URL'],
      ...['JWT_SIGNING_KEY', 'TOKEN_HASH_KEY', 'ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY'],
    ].sort(),
  );
});

describe('.env', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-env-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function add(content: string | Buffer, env: NodeJS.ProcessEnv = {}) {
    const path = join(folder, '.env');
    writeFileSync(path, content);
    addEnvironmentFile(env, path);
    return env;
  }

  it('is read with comments, quotes, keys of many lines and line ends of both kinds', () => {
    const { jwtSigningKey } = generateSecrets();
    const text = `# a comment\r\n\r\nPORT=1 # why\r\nexport HOST='a b'\r\nEMPTY=\r\nKEY="${jwtSigningKey}"\nLAST=it's`;
    expect(add(text)).toMatchObject({ PORT: '1', HOST: 'a b', EMPTY: '', LAST: "it's" });
    expect(add(text)['KEY']?.trim()).toBe(jwtSigningKey.trim());
  });

  it('never replaces what the environment says, not even an empty value', () => {
    expect(add('PORT=1\nHOST=file\nLOG_LEVEL=debug', { PORT: '2', HOST: '' })).toEqual({
      PORT: '2',
      HOST: '',
      LOG_LEVEL: 'debug',
    });
  });

  it('need not be there', () => {
    expect(() => addEnvironmentFile({}, join(folder, 'none'))).not.toThrow();
    expect(() => addEnvironmentFile({}, join(folder, 'none', '.env'))).not.toThrow();
  });

  it.each([
    ['a line without =', 'A=1\nBAD secret-value\nC=2', /: line 2 is neither/],
    ['a last line without =', 'A=1\nBAD', /: line 2 is neither/],
    ['a name that is none', 'A=1\n\n2B=secret-value', /: line 3 is neither/],
    ['a line behind a value of many lines', 'A="x\ny"\nsecret-value', /: line 3 is neither/],
    ['bytes that are no text', Buffer.from([0x41, 0x3d, 0xff, 0xfe]), /it is not UTF-8 text/],
  ])('with %s is refused in one sentence without a value', (_what, content, sentence) => {
    const env = {};
    expect(() => add(content, env)).toThrow(sentence);
    expect(() => add(content, env)).not.toThrow(/secret/);
    expect(env).toEqual({});
  });
});

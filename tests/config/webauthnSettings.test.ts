import { ConfigError, loadConfig } from '@/server/config';
import { generateSecrets } from '@/server/keyRing';

const secrets = generateSecrets();
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://u:p@db.example/gatehouse',
  JWT_SIGNING_KEY: secrets.jwtSigningKey,
  TOKEN_HASH_KEY: secrets.tokenHashKey,
  ENCRYPTION_KEY: secrets.encryptionKey,
  EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
};
const set = (rpId: string, origins: string) => ({
  WEBAUTHN_RP_ID: rpId,
  WEBAUTHN_ORIGINS: origins,
});

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the settings of passkeys', () => {
  it('are localhost at the port of the server, outside production', () => {
    expect(loadConfig({}).webauthn).toEqual({
      rpId: 'localhost',
      origins: ['http://localhost:3000'],
    });
    expect(loadConfig({ PORT: '8080' }).webauthn?.origins).toEqual(['http://localhost:8080']);
    // As browsers write it.
    expect(loadConfig({ PORT: '80' }).webauthn?.origins).toEqual(['http://localhost']);
  });

  it('are none in production unless they are given', () => {
    expect(loadConfig(PRODUCTION).webauthn).toBeNull();
    const given = set('example.com', 'https://app.example.com, https://example.com:8443');
    expect(loadConfig({ ...PRODUCTION, ...given }).webauthn).toEqual({
      rpId: 'example.com',
      origins: ['https://app.example.com', 'https://example.com:8443'],
    });
  });

  it('cannot be changed once they are read', () => {
    const { webauthn } = loadConfig({});
    expect(() => (webauthn?.origins as string[]).push('https://evil.example')).toThrow(TypeError);
  });

  it.each([
    ['a domain without origins', { WEBAUTHN_RP_ID: 'example.com' }, /belong together/],
    ['origins without a domain', { WEBAUTHN_ORIGINS: 'https://example.com' }, /belong together/],
    ['an origin of another domain', set('example.com', 'https://example.org'), /not within/],
    ['a domain that only ends alike', set('ample.com', 'https://example.com'), /not within/],
    ['a domain below the origin', set('app.example.com', 'https://example.com'), /not within/],
    ['one bad origin of two', set('a.de', 'https://a.de,https://b.de'), /not within/],
    ['an origin without TLS', set('example.com', 'http://example.com'), /https/],
    ['an origin with a path', set('example.com', 'https://example.com/app'), /is not an origin/],
    ['an origin with a slash', set('example.com', 'https://example.com/'), /is not an origin/],
    ['an origin in capitals', set('example.com', 'https://Example.com'), /is not an origin/],
    [
      'an origin with the usual port',
      set('example.com', 'https://example.com:443'),
      /is not an origin/,
    ],
    ['no URL at all', set('example.com', 'example.com'), /is not an origin/],
    ['a top-level domain', set('com', 'https://example.com'), /must be a domain/],
    ['an address', set('127.0.0.1', 'https://127.0.0.1'), /must be a domain/],
    ['a domain in capitals', set('Example.com', 'https://example.com'), /must be a domain/],
    ['a domain with a scheme', set('https://a.de', 'https://a.de'), /must be a domain/],
  ])('are refused in one sentence: %s', (_name, env, sentence) => {
    for (const mode of [{}, PRODUCTION]) {
      expect(problemsOf({ ...mode, ...env })).toStrictEqual([expect.stringMatching(sentence)]);
      expect(problemsOf({ ...mode, ...env })[0]).toMatch(/^WEBAUTHN_.+\.$/s);
    }
  });

  it('allow http at localhost alone', () => {
    expect(problemsOf(set('localhost', 'http://localhost:5173'))).toEqual([]);
    expect(problemsOf(set('localhost', 'http://app.localhost'))).toHaveLength(1);
  });
});

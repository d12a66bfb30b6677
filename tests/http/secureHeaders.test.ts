import request from 'supertest';
import { buildApp } from '@/tests/helpers/server/testApp';

const HTTPS = { 'x-forwarded-proto': 'https' };
const PRODUCTION = { nodeEnv: 'production' as const, production: true };

describe.each([
  ['in development', { nodeEnv: 'development' as const }],
  ['in production', PRODUCTION],
])('HSTS and upgrade-insecure-requests %s', (_mode, mode) => {
  const headersOf = async (trustProxy: string[] | false, headers: Record<string, string>) => {
    const { app } = buildApp({ ...mode, trustProxy });
    return (await request(app).get('/health/live').set(headers)).headers;
  };
  const expectNeither = (headers: Record<string, string>) => {
    expect(headers).not.toHaveProperty('strict-transport-security');
    expect(headers['content-security-policy']).toMatch(/^default-src 'self'/);
    expect(headers['content-security-policy']).not.toContain('upgrade-insecure-requests');
  };

  it('are sent if a trusted proxy says that it was reached over TLS', async () => {
    const headers = await headersOf(['loopback'], HTTPS);
    expect(headers['strict-transport-security']).toMatch(/^max-age=31536000/);
    expect(headers['content-security-policy']).toMatch(/;upgrade-insecure-requests$/);
  });

  it('are not sent to somebody who came directly, whatever they claim', async () => {
    expectNeither(await headersOf(false, HTTPS));
    expectNeither(await headersOf(false, {}));
  });

  it('are not sent if a trusted proxy was reached over plain HTTP', async () => {
    expectNeither(await headersOf(['loopback'], { 'x-forwarded-proto': 'http' }));
    expectNeither(await headersOf(['loopback'], {}));
  });
});

describe('/', () => {
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const development = { nodeEnv: 'development' as const };

  it('leads a browser to the example page if there is one', async () => {
    const { app } = buildApp({ ...development, mode: 'embedded' });
    const res = await request(app).get('/').set(browser);
    expect([res.status, res.headers['location']]).toEqual([302, 'demo']);
    expect((await request(app).get('/demo')).status).toBe(200);
  });

  it.each([
    ['another client', 'embedded', {}],
    ['a browser, with a database of the operator', 'external', browser],
  ] as const)('names what is here to %s, and all of it exists', async (_who, mode, headers) => {
    const { app } = buildApp({ ...development, mode });
    const res = await request(app).get('/').set(headers);
    expect(res.status).toBe(200);
    const { name, version, ...links } = res.body as Record<string, string>;
    expect([name, typeof version]).toEqual(['gatehouse', 'string']);
    expect(Object.keys(links).includes('demo')).toBe(mode === 'embedded');
    expect(Object.values(links)).toEqual(expect.arrayContaining(['/openapi.json', '/verify']));
    for (const link of Object.values(links)) {
      expect([link, (await request(app).get(link)).status]).not.toEqual([link, 404]);
    }
  });

  it('is 404 in production', async () => {
    const { app } = buildApp(PRODUCTION);
    expect((await request(app).get('/').set(browser)).status).toBe(404);
  });
});

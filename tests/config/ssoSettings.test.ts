import { findSsoProblems, readSsoSettings } from '@/server/config/ssoSettings';

const read = (SSO_ALLOWED_HOSTS?: string) => readSsoSettings({ SSO_ALLOWED_HOSTS }).ssoAllowedHosts;

describe('SSO_ALLOWED_HOSTS', () => {
  it('takes hosts with and without a port, addresses and ranges', () => {
    const text =
      'IdP.Corp.Example, idp.corp.example:8443,10.1.2.3, 10.20.0.0/16 ,[2001:db8::1]:444';
    expect(findSsoProblems({ SSO_ALLOWED_HOSTS: text })).toEqual([]);
    const { places, ranges } = read(text);
    expect(places).toEqual([
      'idp.corp.example:443',
      'idp.corp.example:8443',
      '10.1.2.3:443',
      '[2001:db8::1]:444',
    ]);
    expect(ranges.map(([network, bits]) => `${network.toString()}/${bits}`)).toEqual([
      '10.1.2.3/32',
      '10.20.0.0/16',
    ]);
  });

  it('lists nothing if it is not set', () => {
    expect(read()).toEqual({ places: [], ranges: [] });
    expect(findSsoProblems({ SSO_ALLOWED_HOSTS: undefined })).toEqual([]);
  });

  it.each([
    '*.corp.example',
    '*',
    'https://idp.corp.example',
    'idp.corp.example/path',
    'user@idp.corp.example',
    'idp.corp.example:0x50',
    'idp.corp.example:70000',
    '10.0.0.0/33',
    '10/8',
    'fe80::1%eth0',
    'idp corp',
    'idp.corp.example?',
  ])('refuses %s, without repeating it', (entry) => {
    const problems = findSsoProblems({ SSO_ALLOWED_HOSTS: `idp.example,${entry}` });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^SSO_ALLOWED_HOSTS must list /);
  });
});

describe('SSO_RETURN_URL', () => {
  const problems = (SSO_RETURN_URL: string, NODE_ENV: 'production' | 'test' = 'test') =>
    findSsoProblems({ SSO_RETURN_URL, NODE_ENV });
  it('takes one page, and over http only outside production', () => {
    const page = 'https://app.example/signed-in?from=sso';
    expect(problems(page, 'production')).toEqual([]);
    expect(readSsoSettings({ SSO_RETURN_URL: page }).ssoReturnUrl).toBe(page);
    expect(problems('http://localhost:3000/')).toEqual([]);
    expect(readSsoSettings({}).ssoReturnUrl).toBeUndefined();
  });

  it.each([
    'http://app.example/',
    '/signed-in',
    '//app.example',
    'https://user:secret@app.example/',
    'https://app.example/#done',
    'javascript:alert(1)',
  ])('refuses %s in production, without repeating it', (page) => {
    expect(problems(page, 'production')).toEqual([
      expect.stringMatching(/^SSO_RETURN_URL must be the page /),
    ]);
  });
});

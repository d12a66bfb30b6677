import { auditOf } from '@/tests/helpers/database/authRows';
import { DOMAINS } from '@/tests/helpers/dns/domainCalls';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();

const add = async (domain: unknown) => {
  const officer = await seedOfficer();
  return { officer, res: await as(app, officer).post(DOMAINS, { domain }) };
};

describe('the name of a domain', () => {
  it.each([
    ['Acme-Odd-Forms.EXAMPLE', 'acme-odd-forms.example'],
    ['  acme.example\u200b', 'acme.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER。example', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['mail.acme.co.uk', 'mail.acme.co.uk'],
    ['acme.internal', 'acme.internal'],
  ])('%j is stored in the form that it has in addresses of people', async (typed, stored) => {
    const { res } = await add(typed);
    expect([res.status, res.body.domain]).toStrictEqual([201, stored]);
    expect(res.body.record.name).toBe(`_gatehouse.${stored}`);
  });

  it.each([
    'localhost',
    'example',
    '192.0.2.1',
    '0x7f.1',
    '[2001:db8::1]',
    '2001:db8::1',
    'acme.example.',
    '.acme.example',
    'acme..example',
    '*.acme.example',
    '_gatehouse.acme.example',
    '@acme.example',
    'ada@acme.example',
    'https://acme.example',
    'acme.example/path',
    'acme.example:53',
    'acme.exa mple',
    'acme\t.example',
    '-acme.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(118)}example`,
    'acme%2eexample',
    '',
    7,
    null,
    ['acme.example'],
  ])('%j is refused, and nothing is stored', async (typed) => {
    const { res, officer } = await add(typed);
    expect([res.status, res.body.error]).toStrictEqual([400, 'INVALID_INPUT']);
    expect(await auditOf('DOMAIN_ADDED', officer.tenantId)).toStrictEqual([]);
  });

  it('has room for the record: a longer one is refused', async () => {
    const longest = `${'a'.repeat(58)}.${'b'.repeat(58)}.${'c'.repeat(58)}.${'d'.repeat(57)}.example`;
    expect(longest).toHaveLength(242);
    expect((await add(longest)).res.status).toBe(201);
    expect((await add(`e${longest}`)).res.status).toBe(400);
  });

  it.each([
    ['co.uk', 'public_suffix'],
    ['github.io', 'public_suffix'],
    ['公司.cn', 'public_suffix'],
    ['gmail.com', 'mail_provider'],
    ['GoogleMail.com', 'mail_provider'],
    ['outlook.com', 'mail_provider'],
    ['mail.yahoo.co.jp', 'mail_provider'],
    ['web.de', 'mail_provider'],
  ])('%j belongs to no single tenant: %s', async (domain, reason) => {
    const { res, officer } = await add(domain);
    expect(res.status).toBe(400);
    expect(res.body).toMatchObject({ error: 'DOMAIN_NOT_ALLOWED', reason });
    expect(await auditOf('DOMAIN_ADDED', officer.tenantId)).toStrictEqual([]);
  });

  it('is there once in a tenant, in whatever form it is typed, and can be added again after it was removed', async () => {
    const officer = await seedOfficer();
    const send = (domain: string) => as(app, officer).post(DOMAINS, { domain });
    const first = await send('twice.example');
    const [again, other] = await Promise.all([send('TWICE.example'), send('other.example')]);
    expect([again.status, again.body.error]).toStrictEqual([409, 'DOMAIN_EXISTS']);
    expect(other.status).toBe(201);
    expect((await as(app, officer).del(`${DOMAINS}/${first.body.id}`)).status).toBe(204);
    const anew = await send('twice.example');
    expect(anew.status).toBe(201);
    expect(anew.body.record.value).not.toBe(first.body.record.value);
  });

  it('is added once by two requests at the same time', async () => {
    const officer = await seedOfficer();
    const send = () => as(app, officer).post(DOMAINS, { domain: 'at-once.example' });
    const statuses = (await Promise.all([send(), send(), send()])).map(({ status }) => status);
    expect(statuses.sort()).toStrictEqual([201, 409, 409]);
  });
});

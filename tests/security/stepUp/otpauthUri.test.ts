import { toString as toQr } from 'qrcode';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenants } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

/**
 * Reads the label as the Key Uri Format defines it: the first colon, also an encoded one, ends the
 * issuer.
 */
function parse(uri: string) {
  const { protocol, host, pathname, searchParams, hash } = new URL(uri);
  const label = decodeURIComponent(pathname.slice(1));
  const [account, prefix] = label.split(':').reverse();
  const parts = label.split(':').length;
  return {
    protocol,
    host,
    hash,
    prefix,
    account,
    parts,
    issuer: searchParams.get('issuer'),
    secret: searchParams.get('secret'),
  };
}

async function enrol(name: string) {
  const member = await seedTestUserAndToken();
  await db.update(tenants).set({ name }).where(eq(tenants.id, member.tenantId));
  const res = await request(app)
    .post('/api/security/totp/enroll')
    .set('authorization', `Bearer ${member.token}`);
  expect(res.status).toBe(200);
  return {
    email: member.email,
    ...(res.body as { otpauthUri: string; secret: string; qrSvg: string }),
  };
}

describe('the otpauth URI', () => {
  it.each([
    ['a plain name', 'Acme Inc', 'Acme Inc'],
    ['a colon', 'Acme: Europe', 'Acme Europe'],
    ['an encoded colon', 'Acme%3AEurope', 'Acme%3AEurope'],
    ['percent, slash, question mark and hash', '100% / A?b#c&d=e+f', '100% / A?b#c&d=e+f'],
    ['quotes and angle brackets', `"A" 'b' <script>\\`, `"A" 'b' <script>\\`],
    ['an emoji', 'Ärzte 👩‍⚕️', 'Ärzte 👩‍⚕️'],
    ['right-to-left letters', 'שלום בע״מ', 'שלום בע״מ'],
    ['a mark of direction', 'Acme\u202egnp', 'Acme\u202egnp'],
  ])(
    'of a tenant with %s in its name has the name, the account and the secret',
    async (_what, name, prefix) => {
      const { otpauthUri, secret, email } = await enrol(name);
      const read = parse(otpauthUri);
      expect(read).toStrictEqual({
        ...{ protocol: 'otpauth:', host: 'totp', hash: '', account: email, parts: 2 },
        ...{ prefix, issuer: name, secret },
      });
    },
  );

  it('of a name that is nothing but colons has the account alone in its label', async () => {
    const { otpauthUri, email } = await enrol(':::');
    expect(parse(otpauthUri)).toMatchObject({ account: email, parts: 1, issuer: ':::' });
  });

  it('puts a name with line breaks on one line', async () => {
    expect(parse((await enrol('Acme\r\nInc')).otpauthUri).issuer).toBe('Acme Inc');
  });

  it('of the longest name still fits into a QR code, and halves no character', async () => {
    const { otpauthUri, qrSvg } = await enrol('👩‍⚕️'.repeat(40));
    const { issuer } = parse(otpauthUri);
    expect(issuer).toMatch(/^(👩‍⚕️)+…$/u);
    expect(qrSvg).toBe(await toQr(otpauthUri, { type: 'svg' }));
  });
});

import { createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import request from 'supertest';
import { app } from '@/server/app';
import { generateSecrets } from '@/server/keyRing';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { login, me } from '@/tests/helpers/http/authCalls';
import { closeLater } from '@/tests/helpers/server/closing';
import {
  change,
  readToken,
  serverKey,
  serverPublicPem,
  signWith,
  strangersKey,
  unsigned,
} from '@/tests/helpers/http/forgeAccessToken';
import type { TokenParts } from '@/tests/helpers/http/forgeAccessToken';
import { openNode } from '@/tests/helpers/server/openNode';

/** The session whose token each test changes. It stays alive throughout. */
let owner: SeededAuth;
let good: TokenParts;
const nowSec = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  owner = await seedTestUserAndToken();
  good = readToken(owner.accessToken);
});

async function expectRefused(token: string): Promise<void> {
  const res = await me(app, token);
  expect(res.status).toBe(401);
  expect(res.body.error).toBe('UNAUTHENTICATED');
  expect(res.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  expect(JSON.stringify(res.body)).not.toContain(owner.email);
}

// Every test below changes one part of a valid token.
afterEach(async () => {
  expect((await me(app, signWith(serverKey(), good))).status).toBe(200);
});

describe('a good access token', () => {
  it('is what a login gives: its type, algorithm, key and claims are the documented ones', async () => {
    const { accessToken } = (await login(app, owner)).body;
    const { header, claims } = readToken(accessToken);
    expect(header).toStrictEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    const jwks = (await request(app).get('/.well-known/jwks.json')).body;
    expect(jwks.keys.map(({ kid }: { kid: string }) => kid)).toStrictEqual([header['kid']]);
    expect(jwks.keys[0].d).toBeUndefined();
    expect(Object.keys(claims).sort()).toStrictEqual(
      ['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub', 'sv', 'tid'].sort(),
    );
    expect(claims).toMatchObject({ sub: owner.userId, tid: owner.tenantId, sv: 1 });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(300);
  });

  it('is accepted, with the scheme in any case', async () => {
    const res = await request(app)
      .get('/api/auth/me')
      .set('authorization', `bEARER ${owner.accessToken}`);
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ userId: owner.userId, sessionId: owner.sessionId });
  });

  it('is accepted within 30 seconds past its end, for clocks that differ', async () => {
    const late = change(good, { claims: { exp: nowSec() - 25 } });
    expect((await me(app, signWith(serverKey(), late))).status).toBe(200);
  });

  it('is accepted from a key that has been retired, and not from one that was taken away', async () => {
    const next = generateSecrets().jwtSigningKey;
    const rotated = openNode((config) => ({
      ...config,
      secrets: { ...config.secrets, jwtSigningKey: next, jwtRetiredKeys: [serverPublicPem()] },
    }));
    expect((await me(rotated.app, owner.accessToken)).status).toBe(200);
    const fresh = (await login(rotated.app, owner)).body.accessToken;
    expect(readToken(fresh).header['kid']).not.toBe(good.header['kid']);
    const replaced = openNode((config) => ({
      ...config,
      secrets: { ...config.secrets, jwtSigningKey: next, jwtRetiredKeys: [] },
    }));
    expect((await me(replaced.app, owner.accessToken)).status).toBe(401);
    expect((await me(replaced.app, fresh)).status).toBe(200);
  });
});

describe('no token', () => {
  it.each([
    ['no header at all', undefined],
    ['a scheme without a token', 'Bearer'],
    ['another scheme', 'Basic dGVzdDp0ZXN0'],
    ['a token without a scheme', 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA'],
  ])('is refused with a plain challenge: %s', async (_what, authorization) => {
    const asked = request(app).get('/api/auth/me');
    const res = await (authorization === undefined ? asked : asked.set({ authorization }));
    expect(res.status).toBe(401);
    expect(res.body.error).toBe('UNAUTHENTICATED');
    expect(res.headers['www-authenticate']).toBe('Bearer');
  });
});

describe('a token is refused', () => {
  it.each(['none', 'None', 'NONE', 'nOnE', 'none ', ''])(
    'with the algorithm %j, signed or not',
    async (alg) => {
      const bent = change(good, { header: { alg } });
      await expectRefused(`${unsigned(bent)}.`);
      await expectRefused(signWith(serverKey(), bent));
      await expectRefused(`${unsigned(bent)}.${owner.accessToken.split('.')[2]}`);
    },
  );

  it.each(['HS256', 'HS384', 'HS512'])('with %s under the public key', async (alg) => {
    const bent = change(good, { header: { alg } });
    const pem = serverPublicPem();
    const der = createPublicKey(pem).export({ format: 'der', type: 'spki' });
    for (const secret of [pem, pem.trim(), der, '']) {
      const hmac = createHmac(`sha${alg.slice(2)}`, secret).update(unsigned(bent));
      await expectRefused(`${unsigned(bent)}.${hmac.digest('base64url')}`);
    }
  });

  it('whose header says ES256 and whose signature is an HMAC under the public key', async () => {
    const hmac = createHmac('sha256', serverPublicPem()).update(unsigned(good));
    await expectRefused(`${unsigned(good)}.${hmac.digest('base64url')}`);
  });

  it.each([
    ['blank', ''],
    ['all zeros', Buffer.alloc(64).toString('base64url')],
    ['one byte', 'AA'],
    ['far too long', 'A'.repeat(5000)],
  ])('with a signature that is %s', async (_what, signature) => {
    await expectRefused(`${unsigned(good)}.${signature}`);
  });

  it("with another token's signature, without one, or with a fourth part", async () => {
    const foreign = (await seedTestUserAndToken()).accessToken.split('.')[2];
    await expectRefused(`${unsigned(good)}.${foreign}`);
    await expectRefused(unsigned(good));
    await expectRefused(`${owner.accessToken}.AAAA`);
  });

  it.each([
    ['missing', undefined],
    ['a path', '../../../../dev/null'],
    ['SQL', "' UNION SELECT 'key' --"],
    ['a URL', 'http://127.0.0.1/key.pem'],
    ["a property of every object's", '__proto__'],
    ['a list', ['kid']],
    ['a number', 0],
    ['null', null],
  ])('whose kid is %s, also where the signature is good', async (_what, kid) => {
    const bent = change(good, { header: { kid } });
    await expectRefused(signWith(serverKey(), bent));
    await expectRefused(signWith(strangersKey(), bent));
  });

  it("signed by a stranger under the server's kid", async () => {
    await expectRefused(signWith(strangersKey(), good));
  });

  it.each([
    ['aud', 'another-audience'],
    ['aud', undefined],
    ['aud', ['another-audience']],
    ['iss', 'http://localhost:3001'],
    ['iss', undefined],
    ['exp', undefined],
    ['exp', null],
    ['exp', '4102444800'],
    ['exp', 4102444800.5],
    ['exp', 1e300],
    ['exp', -1],
    ['exp', 0],
    ['exp', { valueOf: 4102444800 }],
    ['iat', undefined],
    ['jti', undefined],
    ['sub', "' OR 1=1 --"],
    ['sid', 'not-a-session'],
    ['sv', '1'],
    ['dgr', 'yes'],
  ])('whose %s is %j', async (claim, value) => {
    await expectRefused(signWith(serverKey(), change(good, { claims: { [claim]: value } })));
  });

  it.each(['JWT', 'jwt', 'rt+jwt', 'logout+jwt', undefined, null])(
    'of the type %j',
    async (typ) => {
      await expectRefused(signWith(serverKey(), change(good, { header: { typ } })));
    },
  );

  it('more than 30 seconds past its end', async () => {
    const expired = change(good, { claims: { exp: nowSec() - 31 } });
    await expectRefused(signWith(serverKey(), expired));
  });

  it('past its end also by a node that has accepted it before', async () => {
    const node = openNode();
    node.clock.stop();
    const { accessToken } = (await login(node.app, owner)).body;
    expect((await me(node.app, accessToken)).status).toBe(200);
    node.clock.advance(329);
    expect((await me(node.app, accessToken)).status).toBe(200);
    node.clock.advance(2);
    expect((await me(node.app, accessToken)).status).toBe(401);
  });

  it('with a payload changed after the server has accepted it', async () => {
    const [header, , signature] = owner.accessToken.split('.');
    expect((await me(app, owner.accessToken)).status).toBe(200);
    const other = await seedTestUserAndToken();
    for (const claims of [{ sub: other.userId }, { exp: nowSec() + 86_400 }, { sv: 2 }]) {
      const [, payload] = unsigned(change(good, { claims })).split('.');
      await expectRefused(`${header}.${payload}.${signature}`);
    }
  });

  it('that is a refresh token', async () => {
    await expectRefused(owner.refreshToken);
  });

  it.each(['...', 'a.b.c', 'e30.e30.', 'bnVsbA.bnVsbA.AAAA', 'A'.repeat(6000)])(
    'that is nonsense: %.20s',
    async (token) => {
      await expectRefused(token);
    },
  );
});

describe('a token whose claims do not tell the same story as the live rows is refused', () => {
  it.each([
    ['tenant', (other: SeededAuth) => ({ tid: other.tenantId })],
    ['user', (other: SeededAuth) => ({ sub: other.userId })],
    ['session', (other: SeededAuth) => ({ sid: other.sessionId })],
    ['session that does not exist', () => ({ sid: randomUUID() })],
    ['session version to come', () => ({ sv: 2 })],
    ['session version that has passed', () => ({ sv: 0 })],
    ['degraded tenant', (other: SeededAuth) => ({ dgr: true, tid: other.tenantId })],
  ])("with another's %s, well signed as it is", async (_what, bend) => {
    const other = await seedTestUserAndToken();
    await expectRefused(signWith(serverKey(), change(good, { claims: bend(other) })));
  });
});

describe('a key that the token brings along', () => {
  it('is neither used nor fetched: jku, jwk, x5u and x5c are never looked at', async () => {
    let requests = 0;
    const key = strangersKey();
    const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid: good.header['kid'] };
    const server = createServer((_req, res) => {
      requests += 1;
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ keys: [jwk] }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closeLater(() => new Promise((resolve) => server.close(resolve)));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys.json`;
    const pem = createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
    for (const header of [{ jku: url }, { jwk }, { x5u: url }, { x5c: [pem] }, { kid: url }]) {
      await expectRefused(signWith(key, change(good, { header })));
      await expectRefused(signWith(key, change(good, { header: { kid: undefined, ...header } })));
    }
    expect(requests).toBe(0);
  });
});

import { eq } from 'drizzle-orm';
import request from 'supertest';
import { readAddress } from '@/server/http/clientAddress';
import { db } from '@/server/db';
import { auditLogs, knownCountries, knownNetworks, userSessions } from '@/server/db/schema';
import { createTrust, findClient, parseTrustProxy } from '@/server/config/trustProxy';
import { fromAddress, login } from '@/tests/helpers/http/authCalls';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { openNode } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const { app } = openNode();

async function sessionFrom(header: string | undefined, on = app) {
  const member = await seedTestUserAndToken();
  const res = await login(on, member, header === undefined ? {} : fromAddress(header));
  expect(res.status).toBe(200);
  const [row] = await db.select().from(userSessions).where(eq(userSessions.id, res.body.sessionId));
  return `${row?.ip} ${row?.country}`;
}

describe('an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7 ', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['[2001:db8::1]:51234', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['::FFFF:203.0.113.7:51234', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:51234', '203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:443', 'fe80::1'],
    ['::1', '::1'],
  ])('written as %s is %s', (written, address) => {
    expect(readAddress(written)).toBe(address);
    expect(readAddress(address)).toBe(address);
  });

  it.each([
    ...[
      '',
      'unknown',
      '_hidden',
      '127.1',
      '1',
      '010.0.0.1',
      '0x7f.0.0.1',
      '256.1.1.1',
      '1.2.3.4.5',
    ],
    ...['203.0.113.7:', '203.0.113.7:port', '203.0.113.7:123456', '[203.0.113.7', '2001:db8::1]:1'],
    ...['[]', '[]:1', '1:2:3:4:5:6:7:8:9', "5.9.10.11' --", '<script>', '203.0.113.7/32'],
  ])('is not what %p says', (written) => {
    expect(readAddress(written)).toBeNull();
  });
});

describe('behind a trusted proxy', () => {
  it.each([
    ['5.9.10.11', '5.9.10.11 DE'],
    ['5.9.10.11:51234', '5.9.10.11 DE'],
    ['::ffff:5.9.10.11', '5.9.10.11 DE'],
    ['[2a01:4f8::1]:51234', '2a01:4f8::1 DE'],
    ['1.1.1.1, 5.9.10.11:51234', '5.9.10.11 DE'],
    ['5.9.10.11:1, 127.0.0.1:2, [::1]:3, ::ffff:127.0.0.1', '5.9.10.11 DE'],
    ['garbage, 5.9.10.11', '5.9.10.11 DE'],
  ])('X-Forwarded-For: %s makes the session one from %s', async (header, from) => {
    expect(await sessionFrom(header)).toBe(from);
  });

  it.each([['unknown'], ['_hidden, 127.0.0.1'], ['5.9.10.11, garbage'], [undefined]])(
    'X-Forwarded-For: %p records who connected, with no country',
    async (header) => {
      expect(await sessionFrom(header)).toBe('127.0.0.1 null');
    },
  );

  it('who does not say for whom it asks teaches nothing of a place', async () => {
    const member = await seedTestUserAndToken();
    const elsewhere = buildApp({ trustProxy: 1 }).app;
    expect((await login(elsewhere, member, fromAddress('garbage'))).status).toBe(200);
    const { staffId } = member;
    const known = await Promise.all([
      db.select().from(knownCountries).where(eq(knownCountries.staffId, staffId)),
      db.select().from(knownNetworks).where(eq(knownNetworks.staffId, staffId)),
    ]);
    expect(known).toEqual([[], []]);
  });

  it('the failures of people whose address is unknown do not refuse a colleague', async () => {
    const node = openNode((config) => ({
      ...config,
      loginFailures: { ...config.loginFailures, perIp: 3 },
    }));
    const colleague = await seedTestUserAndToken();
    for (let failure = 0; failure < 6; failure += 1) {
      const headers = failure % 2 ? fromAddress('unknown') : {};
      const nobody = { email: `nobody${failure}@example.com`, password: 'wrong' };
      expect((await login(node.app, nobody, headers)).status).toBe(401);
    }
    expect((await login(node.app, colleague)).status).toBe(200);
    expect((await login(node.app, colleague, fromAddress('unknown'))).status).toBe(200);
  });

  it('the failures of ten people with ports in their addresses do not refuse an eleventh', async () => {
    const node = openNode((config) => ({
      ...config,
      loginFailures: { ...config.loginFailures, perIp: 10 },
    }));
    const bob = await seedTestUserAndToken();
    for (let one = 0; one < 10; one += 1) {
      const nobody = { email: `nobody${one}@example.com`, password: 'wrong' };
      const from = fromAddress(`203.0.113.${one}:4${one}000`);
      expect((await login(node.app, nobody, from)).status).toBe(401);
    }
    expect((await login(node.app, bob, fromAddress('198.51.100.9:40001'))).status).toBe(200);
  });

  it('one client has one budget, whatever the port and the form of its address', async () => {
    const node = openNode((config) => ({
      ...config,
      loginFailures: { ...config.loginFailures, perIp: 3 },
    }));
    const nobody = { email: 'nobody@example.com', password: 'wrong' };
    for (const written of ['192.0.2.77:1', '::ffff:192.0.2.77', '192.0.2.77:2']) {
      expect((await login(node.app, nobody, fromAddress(written))).status).toBe(401);
    }
    expect((await login(node.app, nobody, fromAddress('[::ffff:c000:24d]:3'))).status).toBe(429);
  });
});

describe('a trusted proxy that sends no usable address', () => {
  const clock = createMovableClock();
  const { logger, lines } = memoryLog();
  const { app: watched } = buildApp({}, { clock, logger });
  const nobody = { email: 'nobody@example.com', password: 'wrong' };
  const warnings = () =>
    lines.filter(({ msg }) => String(msg).startsWith('a trusted proxy sends no'));
  const readiness = async () => (await request(watched).get('/health/ready')).body.checks.proxies;
  const metric = async () =>
    Number(
      /gatehouse_requests_without_address_total (\d+)/.exec(
        (await request(watched).get('/metrics')).text,
      )?.[1],
    );

  it('is logged once a minute, counted, and told by readiness for some minutes', async () => {
    expect(await readiness()).toEqual({ ok: true });
    await login(watched, nobody, fromAddress('5.9.10.11'));
    expect(await readiness()).toEqual({ ok: true });
    for (let count = 0; count < 3; count += 1) await login(watched, nobody, fromAddress('unknown'));
    expect(warnings()).toMatchObject([{ level: 40, proxy: '127.0.0.1' }]);
    expect(await metric()).toBe(3);
    const findings = ['The trusted proxy 127.0.0.1 sends no usable client address.'];
    expect(await readiness()).toEqual({ ok: true, findings });
    clock.forward(61);
    await login(watched, nobody);
    expect(warnings()).toHaveLength(2);
    clock.forward(5 * 60 + 1);
    expect(await readiness()).toEqual({ ok: true });
  });

  it("is not one for the balancer's own questions about health", async () => {
    const before = await metric();
    await request(watched).get('/health/live');
    await request(watched).get('/health/ready');
    expect(await metric()).toBe(before);
    expect(await readiness()).toEqual({ ok: true });
  });
});

describe('whom TRUST_PROXY trusts', () => {
  const clientOf = (setting: string, ...chain: string[]) =>
    findClient(chain.map(readAddress), createTrust(parseTrustProxy(setting)));

  it.each([
    ['false', ['10.0.0.1', '5.9.10.11'], '10.0.0.1'],
    ['1', ['10.0.0.1', '5.9.10.11:5', '1.1.1.1'], '5.9.10.11'],
    ['2', ['10.0.0.1', '10.0.0.2', '5.9.10.11', '1.1.1.1'], '5.9.10.11'],
    ['10.0.0.0/8', ['10.0.0.1', '::ffff:10.0.0.2', '5.9.10.11'], '5.9.10.11'],
    ['::ffff:10.0.0.0/104', ['10.0.0.1', '5.9.10.11'], '5.9.10.11'],
    ['loopback, uniquelocal', ['::1', '[fc00::1]:99', '5.9.10.11'], '5.9.10.11'],
    ['linklocal', ['fe80::1%eth0', '5.9.10.11'], '5.9.10.11'],
    ['uniquelocal', ['10.0.0.1', '10.0.0.5'], '10.0.0.5'],
    ['10.0.0.1', ['5.9.10.11', '1.1.1.1'], '5.9.10.11'],
  ])('%s: of %p it is %s', (setting, chain, ip) => {
    expect(clientOf(setting, ...chain)).toEqual({ ip, silentProxy: false });
  });
});

it('the event of a failed login has the canonical address', async () => {
  const correlationId = `address-${Date.now()}`;
  const headers = { ...fromAddress('[::ffff:5.9.10.11]:7'), 'x-correlation-id': correlationId };
  await login(app, { email: 'nobody@example.com', password: 'wrong' }, headers);
  const rows = await db.select().from(auditLogs).where(eq(auditLogs.correlationId, correlationId));
  expect(rows).toMatchObject([{ ip: '5.9.10.11', country: 'DE' }]);
});

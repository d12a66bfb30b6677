import { once } from 'node:events';
import { Server, createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { readSsoSettings } from '@/server/config/ssoSettings';
import { FetchRefused } from '@/server/sso/fetchRefused';
import { findAddresses } from '@/server/sso/fetchTarget';
import { createGuardedFetch } from '@/server/sso/guardedFetch';
import type { FetchOptions } from '@/server/sso/guardedFetch';
import { closeLater } from '@/tests/helpers/server/closing';
import { RCODE, startAddressServer } from '@/tests/helpers/sso/addressServer';
import type { Answer } from '@/tests/helpers/sso/addressServer';
import { certificate, certificateKey } from '@/tests/helpers/sso/certificate';

/** Makes a server listen on a free port of loopback until the test file is done. */
async function portOf(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.close();
    if (server instanceof Server) server.closeAllConnections();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** What the names of the tests resolve to. A test may add more. */
const names = new Map<string, () => Answer>([
  ['idp.example', () => ['127.0.0.1']],
  ['other.example', () => ['127.0.0.1']],
  ['private.example', () => ['10.0.0.1']],
  ['mixed.example', () => ['93.184.216.34', '127.0.0.1']],
  ['mapped.example', () => ['::ffff:127.0.0.1']],
  ['nat64.example', () => ['64:ff9b::a9fe:a9fe']],
  ['unassigned.example', () => ['4000::1']],
  ['silent.example', () => 'silence'],
  ['broken.example', () => RCODE.servFail],
]);

let requests: string[] = [];
const HANDLERS: Record<string, RequestListener> = {
  '/redirect': (_req, res) => void res.writeHead(302, { location: '/ok' }).end(),
  '/never': () => undefined,
  '/gzip': (_req, res) =>
    void res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}')),
  '/headers': (_req, res) => void res.writeHead(200, { x: 'y'.repeat(20_000) }).end(),
  '/odd-status': (_req, res) => void res.writeHead(799).end('{}'),
  '/no-content': (_req, res) => void res.writeHead(204).end(),
  '/big': (_req, res) => {
    const more = () => {
      while (!res.destroyed && res.write(Buffer.alloc(65_536)));
    };
    res.on('drain', more);
    more();
  },
  // It begins an answer and does not end it.
  '/slow': (_req, res) => void res.write('{'),
  '/cut': (_req, res) => {
    res.writeHead(200, { 'content-length': '100' });
    res.write('{', () => res.destroy());
  },
};
const listener: RequestListener = (req, res) => {
  requests.push(`${req.headers.host} ${req.url}`);
  const handle = HANDLERS[req.url ?? ''];
  if (handle) return void handle(req, res);
  let body = '';
  req.on('data', (part: Buffer) => (body += part.toString()));
  req.on('end', () => {
    const { method, headers } = req;
    res
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ method, headers, body }));
  });
};

let port: number;
let dns: Awaited<ReturnType<typeof startAddressServer>>;

beforeAll(async () => {
  dns = await startAddressServer((name) => names.get(name)?.() ?? RCODE.nxDomain);
  port = await portOf(createServer(listener));
});

beforeEach(() => {
  requests = [];
});

/** Creates the fetch of a server outside production whose operator has listed these hosts. */
const fetchWith = (listed: string, more: Partial<FetchOptions> = {}) =>
  createGuardedFetch({
    resolver: dns.resolver,
    allowed: readSsoSettings({ SSO_ALLOWED_HOSTS: listed }).ssoAllowedHosts,
    allowsHttp: true,
    timeoutMs: 1500,
    mostBytes: 262_144,
    ...more,
  });
const get = (url: string, listed = `idp.example:${port}`, more: Partial<FetchOptions> = {}) =>
  fetchWith(listed, more)(url, { method: 'GET', headers: {} });

/** Returns the rule by which a request was refused. */
async function ruleOf(asked: Promise<Response>): Promise<string> {
  const error: unknown = await asked.then(
    ({ status }) => new Error(`answered ${status}`),
    (reason: unknown) => reason,
  );
  if (error instanceof FetchRefused) return error.rule;
  throw error;
}

describe('an answer of a listed host', () => {
  it('arrives whole, and is asked for uncompressed and with the name of the host', async () => {
    const headers = { accept: 'application/json', 'accept-encoding': 'gzip' };
    const body = new URLSearchParams({ code: 'b c&d' });
    const asked = fetchWith(`idp.example:${port}`)(`http://idp.example:${port}/post?x=1`, {
      ...{ method: 'POST', headers, body },
    });
    const answer = await asked;
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
    const { headers: sent, ...rest } = (await answer.json()) as { headers: object };
    expect(rest).toEqual({ method: 'POST', body: 'code=b+c%26d' });
    expect(sent).toMatchObject({
      ...{ host: `idp.example:${port}`, accept: 'application/json' },
      ...{ 'accept-encoding': 'identity', 'content-length': '12' },
    });
    expect((await get(`http://idp.example:${port}/no-content`)).status).toBe(204);
  });

  it.each([
    ['a redirect is not followed', '/redirect', 'redirect'],
    ['a compressed body is refused', '/gzip', 'encoded'],
    ['headers of 20 kB are refused', '/headers', 'too_large'],
    ['an endless body is stopped', '/big', 'too_large'],
    ['a body that does not go on is stopped', '/slow', 'timeout'],
    ['no answer at all is waited for only so long', '/never', 'timeout'],
    ['a status outside HTTP is refused', '/odd-status', 'malformed'],
    ['a body that is cut off is refused', '/cut', 'unreachable'],
  ])('%s', async (_title, path, rule) => {
    expect(await ruleOf(get(`http://idp.example:${port}${path}`))).toBe(rule);
    expect(requests).toEqual([`idp.example:${port} ${path}`]);
  });

  it('that is not HTTP, and a port that nobody listens at, are refused', async () => {
    const chatter = await portOf(
      createTcpServer((socket) => void socket.resume().end('220 mail.example ESMTP\r\n')),
    );
    const at = (other: number) => get(`http://idp.example:${other}/`, `idp.example:${other}`);
    expect(await ruleOf(at(chatter))).toBe('malformed');
    const closed = createTcpServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port: free } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    expect(await ruleOf(at(free))).toBe('unreachable');
  });

  it('ends as soon as the caller gives up', async () => {
    const asked = fetchWith(`idp.example:${port}`)(`http://idp.example:${port}/never`, {
      ...{ method: 'GET', headers: {}, signal: AbortSignal.abort() },
    });
    expect(await ruleOf(asked)).toBe('timeout');
  });
});

describe('an address that is not public', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[2002:7f00:1::]',
    '169.254.169.254',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.100.100.200',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'private.example',
    'mixed.example',
    'mapped.example',
    'nat64.example',
    'unassigned.example',
  ])('is never connected to: %s', async (host) => {
    expect(await ruleOf(get(`https://${host}/`))).toBe('address');
    // A port that is listed for another host opens nothing here.
    const rule = await ruleOf(get(`http://${host}:${port}/`));
    expect(['port', 'address']).toContain(rule);
    expect(requests).toEqual([]);
  });

  it('can be listed by its range or by itself, but not with another port than 443', async () => {
    for (const listed of ['10.0.0.0/8', '10.0.0.1', 'private.example']) {
      const allowed = readSsoSettings({ SSO_ALLOWED_HOSTS: listed }).ssoAllowedHosts;
      const url = new URL('https://private.example/');
      const found = findAddresses(dns.resolver, url, { allowed, allowsHttp: false });
      expect(await found).toEqual(['10.0.0.1']);
    }
    expect(await ruleOf(get('https://mixed.example/', '10.0.0.0/8'))).toBe('address');
    expect(await ruleOf(get(`http://127.0.0.1:${port}/`, '127.0.0.0/8'))).toBe('port');
    expect((await get(`http://127.0.0.1:${port}/`, `127.0.0.1:${port}`)).status).toBe(200);
  });

  it('cannot be reached by a name that changes its address after the check', async () => {
    let looks = 0;
    names.set('rebind.example', () => (looks++ < 2 ? ['127.0.0.3'] : ['127.0.0.1']));
    // Nobody listens at 127.0.0.3, which is listed here in place of a public address.
    expect(await ruleOf(get('https://rebind.example/', '127.0.0.3'))).toBe('unreachable');
    // One question for each kind of address, and none when the connection is made.
    expect([looks, requests]).toEqual([2, []]);
  });
});

describe('an address', () => {
  it.each([
    ['http in production', 'http://idp.example/', 'not_https'],
    ['another scheme', 'ftp://idp.example/', 'not_https'],
    ['a file', 'file:///etc/passwd', 'not_https'],
    ['a user name', 'https://user@idp.example/', 'credentials'],
    ['a password', 'https://:secret@idp.example/', 'credentials'],
    ['another port', 'https://idp.example:8443/', 'port'],
    ['a name that does not exist', 'https://nobody.example/', 'host_unknown'],
    ['a DNS server that fails', 'https://broken.example/', 'dns_failed'],
    ['a DNS server that does not answer', 'https://silent.example/', 'dns_failed'],
  ])('is refused with %s', async (_title, url, rule) => {
    expect(await ruleOf(get(url, '', { allowsHttp: false }))).toBe(rule);
    expect(requests).toEqual([]);
  });

  it('is asked for once, and the next address is tried if one accepts no connection', async () => {
    names.set('two.example', () => ['127.0.0.2', '127.0.0.1']);
    const answer = await get(`http://two.example:${port}/ok`, `two.example:${port}`);
    expect(answer.status).toBe(200);
    expect(requests).toEqual([`two.example:${port} /ok`]);
  });
});

describe('over TLS', () => {
  it('the certificate must be that of the name, although the address is pinned', async () => {
    const tls = createTlsServer({ key: certificateKey, cert: certificate }, (req, res) => {
      const { servername } = req.socket as unknown as { servername: string };
      res.end(`${servername} ${req.headers.host}`);
    });
    const at = await portOf(tls);
    const listed = `idp.example:${at},other.example:${at}`;
    const trusting = { ca: certificate, allowsHttp: false };
    const answer = await get(`https://idp.example:${at}/`, listed, trusting);
    expect(await answer.text()).toBe(`idp.example idp.example:${at}`);
    expect(await ruleOf(get(`https://other.example:${at}/`, listed, trusting))).toBe('certificate');
    expect(await ruleOf(get(`https://idp.example:${at}/`, listed))).toBe('certificate');
    // A server that speaks no TLS.
    expect(await ruleOf(get(`https://idp.example:${port}/`))).toBe('certificate');
  });
});

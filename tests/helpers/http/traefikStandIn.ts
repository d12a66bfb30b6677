import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import { parse } from 'yaml';
import { z } from 'zod';
import { readExample } from './gateways';
import type { GatewayParts } from './gateways';
import { listen } from './listen';
import { passOn, sendOn, withoutHops } from './passOn';

// Strict, so that a setting of the example that the stand-in does not know fails.

const middleware = z.strictObject({
  encodedCharacters: z.strictObject({}).optional(),
  headers: z.strictObject({ customRequestHeaders: z.record(z.string(), z.string()) }).optional(),
  forwardAuth: z
    .strictObject({
      address: z.string(),
      trustForwardHeader: z.literal(false),
      authRequestHeaders: z.array(z.string()),
      authResponseHeadersRegex: z.string(),
      maxResponseBodySize: z.int(),
    })
    .optional(),
});

const router = z.strictObject({
  rule: z.string(),
  priority: z.int(),
  middlewares: z.array(z.string()).default([]),
  service: z.string(),
});

const traefik = z.strictObject({
  http: z.strictObject({
    middlewares: z.record(z.string(), middleware),
    routers: z.record(z.string(), router),
    services: z.record(
      z.string(),
      z.strictObject({
        loadBalancer: z.strictObject({ servers: z.tuple([z.strictObject({ url: z.string() })]) }),
      }),
    ),
  }),
});

type File = z.output<typeof traefik>['http'];
type ForwardAuth = NonNullable<z.output<typeof middleware>['forwardAuth']>;
/** Under the names as Go writes them. */
type Headers = Record<string, string[]>;

/** A part of the path that Go's rules write as `X-Gatehouse-User`, and `X_gatehouse_user`. */
const canonical = (name: string) =>
  name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());

const toRegExp = (text: string) =>
  text.startsWith('(?i)') ? new RegExp(text.slice(4), 'i') : new RegExp(text);

/** Returns what the client sent, without the headers that it names in `Connection`. */
function headersOf(req: IncomingMessage): Headers {
  const named = (req.headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const kept = Object.entries(withoutHops(req.headersDistinct)).filter(
    ([name]) => !named.includes(name),
  );
  return Object.fromEntries(
    kept.map(([name, values]) => [canonical(name), [values].flat() as string[]]),
  );
}

/** Decodes what needs no encoding, resolves dots and merges slashes: `sanitizePath`. */
function sanitize(path: string): string {
  const decoded = path.replaceAll('\\', '%5C').replaceAll(/%[0-9a-f]{2}/gi, (code) => {
    const char = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : code.toUpperCase();
  });
  const kept: string[] = [];
  for (const segment of decoded.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}${decoded.endsWith('/') && kept.length > 0 ? '/' : ''}`;
}

/** The characters that the middleware refuses in their encoded form by default. */
const AMBIGUOUS = /%(2F|5C|00|3B|25|3F|23)/;

function matchesRule(rule: string, path: string): boolean {
  const [, kind, argument = ''] = /^(PathRegexp|PathPrefix)\(`([^`]*)`\)$/.exec(rule) ?? [];
  if (kind === 'PathRegexp') return toRegExp(argument).test(path);
  if (kind === 'PathPrefix') return path.startsWith(argument);
  throw new Error(`the stand-in does not know the rule ${rule}`);
}

/** Asks as forwardAuth does. @returns whether the request may pass; if not, it has been answered */
async function mayPass(
  asked: ForwardAuth,
  req: IncomingMessage,
  res: ServerResponse,
  headers: Headers,
): Promise<boolean> {
  const { origin, pathname, search } = new URL(asked.address);
  const names = asked.authRequestHeaders.map(canonical).filter((name) => headers[name]);
  const question = {
    ...Object.fromEntries(names.map((name) => [name, headers[name]])),
    'X-Forwarded-For': req.socket.remoteAddress ?? '',
    'X-Forwarded-Method': req.method ?? '',
    'X-Forwarded-Uri': req.url ?? '',
    'X-Forwarded-Host': req.headers.host ?? '',
    'X-Forwarded-Proto': 'http',
  };
  const sent = { method: 'GET', path: pathname + search, headers: question };
  const got = await sendOn(origin, sent).catch(() => undefined);
  if (!got || got.status < 200 || got.status > 299) {
    if (got) res.writeHead(got.status, withoutHops(got.headers)).end(got.body);
    else res.writeHead(500).end();
    return false;
  }
  const ours = toRegExp(asked.authResponseHeadersRegex);
  for (const name of Object.keys(headers)) if (ours.test(name)) delete headers[name];
  for (const [name, value] of Object.entries(got.headers)) {
    if (ours.test(canonical(name))) headers[canonical(name)] = [String(value)];
  }
  return true;
}

/** Runs one middleware. @returns whether the next may run */
async function pass(
  { encodedCharacters, headers: custom, forwardAuth }: z.output<typeof middleware>,
  req: IncomingMessage,
  res: ServerResponse,
  { path, headers }: { path: string; headers: Headers },
): Promise<boolean> {
  for (const [name, value] of Object.entries(custom?.customRequestHeaders ?? {})) {
    if (value === '') delete headers[canonical(name)];
    else headers[canonical(name)] = [value];
  }
  if (encodedCharacters && AMBIGUOUS.test(path)) {
    res.writeHead(400).end();
    return false;
  }
  return forwardAuth ? mayPass(forwardAuth, req, res, headers) : true;
}

async function serve(file: File, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const headers = headersOf(req);
  const [, raw = '', query = ''] = /^([^?]*)(.*)$/.exec(req.url ?? '/') ?? [];
  const path = sanitize(raw);
  const routers = Object.values(file.routers).sort((one, other) => other.priority - one.priority);
  const chosen = routers.find(({ rule }) => matchesRule(rule, path));
  if (!chosen) return void res.writeHead(404).end();
  for (const name of chosen.middlewares) {
    const each = file.middlewares[name];
    if (!each) throw new Error(`there is no middleware ${name}`);
    if (!(await pass(each, req, res, { path, headers }))) return;
  }
  if (chosen.service === 'noop@internal') return void res.writeHead(418).end();
  const service = file.services[chosen.service];
  if (!service) throw new Error(`there is no service ${chosen.service}`);
  await passOn(req, res, service.loadBalancer.servers[0].url, { path: path + query, headers });
}

/**
 * Starts a stand-in of Traefik: it reads the example, and does what Traefik documents for
 * ForwardAuth. Traefik itself cannot be installed everywhere.
 */
export async function startTraefikStandIn(parts: GatewayParts): Promise<string> {
  const text = readExample('traefik.yml')
    .replaceAll('SERVICE_KEY', parts.serviceKey)
    .replaceAll('GATEHOUSE', new URL(parts.gatehouse).host)
    .replaceAll('UPSTREAM', new URL(parts.upstream).host);
  const { http } = traefik.parse(parse(text));
  const app = express();
  app.disable('x-powered-by');
  app.use((req, res) => serve(http, req, res));
  return listen(app);
}

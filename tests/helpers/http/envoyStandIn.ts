import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import { parse } from 'yaml';
import { readExample } from './gateways';
import type { GatewayParts } from './gateways';
import { readEnvoy } from './envoyFile';
import type { EnvoyFile, Matcher, Mutation, RouteConfig } from './envoyFile';
import { listen } from './listen';
import { passOn, sendOn, withoutHops } from './passOn';
import type { Got } from './passOn';

type Headers = Record<string, string>;

/** The statuses of `status_on_error` by their names in Envoy. */
const STATUSES: Record<string, number> = { Forbidden: 403, ServiceUnavailable: 503 };
/** Sent to the authorization service whatever is allowed. */
const ALWAYS_ASKED = ['host', 'authorization'];
/** Sent to the client of a refusal beside those that are allowed, if any are. */
const ALWAYS_ANSWERED = ['content-length', 'www-authenticate', 'location'];

const matches = (matchers: readonly Matcher[] | undefined, name: string) =>
  (matchers ?? []).some(({ exact, prefix }) =>
    exact === undefined ? prefix !== undefined && name.startsWith(prefix) : name === exact,
  );

/** Joins values that came twice with a comma, as Envoy does in its question. */
function headersOf(req: IncomingMessage): Headers {
  const entries = Object.entries(withoutHops(req.headersDistinct));
  return Object.fromEntries(entries.map(([name, values]) => [name, [values].flat().join(',')]));
}

function mutate(headers: Headers, mutations: readonly Mutation[] = []): void {
  for (const { remove, append } of mutations) {
    if (remove !== undefined) delete headers[remove];
    if (!append) continue;
    const { key, value } = append.header;
    const before = headers[key];
    const overwrites = append.append_action === 'OVERWRITE_IF_EXISTS_OR_ADD';
    headers[key] = before === undefined || overwrites ? value : `${before},${value}`;
  }
}

/** RFC 3986, 5.2.4, with backslashes as slashes. It decodes nothing but dots. */
function resolveDots(path: string): string {
  const kept: string[] = [];
  const segments = path.replaceAll('\\', '/').replaceAll(/%2e/gi, '.').split('/').slice(1);
  for (const [at, segment] of segments.entries()) {
    const isDot = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDot) kept.push(segment);
    else if (at === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** Returns the path and the query as Envoy passes them on, or undefined if it refuses the path. */
function normalize({ manager }: EnvoyFile, target: string): [string, string] | undefined {
  const [, path = '', query = ''] = /^([^?]*)(.*)$/.exec(target) ?? [];
  if (manager.path_with_escaped_slashes_action === 'REJECT_REQUEST' && /%(2f|5c)/i.test(path)) {
    return undefined;
  }
  const resolved = manager.normalize_path ? resolveDots(path) : path;
  return [manager.merge_slashes ? resolved.replaceAll(/\/{2,}/g, '/') : resolved, query];
}

/** RE2 knows `(?i)` only; both must match the whole path. */
function routeOf({ routes }: EnvoyFile, path: string): RouteConfig | undefined {
  return routes.find(({ match: { prefix, safe_regex: expression } }) => {
    if (expression === undefined) return prefix !== undefined && path.startsWith(prefix);
    const text = expression.regex;
    const flags = text.startsWith('(?i)') ? 'i' : '';
    return new RegExp(`^(?:${text.replace('(?i)', '')})$`, flags).test(path);
  });
}

async function ask(file: EnvoyFile, req: IncomingMessage, path: string, headers: Headers) {
  const { authz, clusters } = file;
  const { path_prefix: prefix, server_uri: uri, authorization_request: added } = authz.http_service;
  const allowed = Object.entries(headers).filter(
    ([name]) => ALWAYS_ASKED.includes(name) || matches(authz.allowed_headers.patterns, name),
  );
  const question: Headers = { ...Object.fromEntries(allowed), 'content-length': '0' };
  for (const { key, value } of added.headers_to_add) {
    const own = '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%';
    question[key] = value === own ? (req.socket.remoteAddress ?? '') : value;
  }
  const sent = { method: req.method ?? 'GET', path: prefix + path, headers: question };
  const origin = clusters[uri.cluster] ?? '';
  return sendOn(origin, sent, Number.parseFloat(uri.timeout) * 1000).catch(() => undefined);
}

function refuse({ authz }: EnvoyFile, res: ServerResponse, { status, headers, body }: Got): void {
  const { patterns } = authz.http_service.authorization_response.allowed_client_headers;
  const sent = Object.entries(withoutHops(headers)).filter(
    ([name]) => ALWAYS_ANSWERED.includes(name) || matches(patterns, name),
  );
  res.writeHead(status, Object.fromEntries(sent)).end(body);
}

/** Asks as ext_authz does. @returns whether the request may pass; if not, it has been answered */
async function mayPass(
  file: EnvoyFile,
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  headers: Headers,
): Promise<boolean> {
  const { authz } = file;
  const got = await ask(file, req, path, headers);
  if (!got || got.status >= 500) {
    if (authz.failure_mode_allow) return true;
    res.writeHead(STATUSES[authz.status_on_error?.code ?? 'Forbidden'] ?? 500).end();
    return false;
  }
  if (got.status !== 200) {
    refuse(file, res, got);
    return false;
  }
  const { patterns } = authz.http_service.authorization_response.allowed_upstream_headers;
  for (const [name, value] of Object.entries(got.headers)) {
    if (matches(patterns, name)) headers[name] = String(value);
  }
  return true;
}

async function serve(file: EnvoyFile, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { manager, clusters } = file;
  const headers = headersOf(req);
  const action = manager.common_http_protocol_options.headers_with_underscores_action;
  const refused = action === 'REJECT_REQUEST' && Object.keys(headers).some((n) => n.includes('_'));
  const target = refused ? undefined : normalize(file, req.url ?? '/');
  if (!target) return void res.writeHead(400).end();
  mutate(headers, file.early);
  const [path, query] = target;
  const route = routeOf(file, path);
  if (!route) return void res.writeHead(404).end();
  const own = route.typed_per_filter_config ?? {};
  mutate(headers, own['envoy.filters.http.header_mutation']?.mutations.request_mutations);
  const isAsked = own['envoy.filters.http.ext_authz']?.disabled !== true;
  if (isAsked && !(await mayPass(file, req, res, path + query, headers))) return;
  if (route.direct_response) return void res.writeHead(route.direct_response.status).end();
  for (const name of file.removed) delete headers[name];
  await passOn(req, res, clusters[route.route?.cluster ?? ''] ?? '', {
    path: path + query,
    headers,
  });
}

/**
 * Starts a stand-in of Envoy: it reads the example, and does what Envoy documents for an HTTP
 * service of ext_authz. Envoy itself cannot be installed everywhere.
 * @param change changes the text of the example
 */
export async function startEnvoyStandIn(
  parts: GatewayParts,
  change = (text: string): string => text,
): Promise<string> {
  const fill = (text: string, word: string, origin: string) =>
    text
      .replaceAll(`${word}_ADDRESS`, new URL(origin).hostname)
      .replaceAll(`${word}_PORT`, new URL(origin).port);
  const example = readExample('envoy.yaml').replaceAll('SERVICE_KEY', parts.serviceKey);
  const filled = fill(fill(example, 'GATEHOUSE', parts.gatehouse), 'UPSTREAM', parts.upstream);
  const file = readEnvoy(parse(change(filled)) as unknown);
  const app = express();
  app.disable('x-powered-by');
  app.use((req, res) => serve(file, req, res));
  return listen(app);
}

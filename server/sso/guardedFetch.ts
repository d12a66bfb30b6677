import { request as requestHttp } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { hostOf } from '../config/parseUrl';
import { SECOND_MS } from '../durations';
import { FetchRefused } from './fetchRefused';
import type { FetchRule } from './fetchRefused';
import { findAddresses } from './fetchTarget';
import type { Resolver, TargetRules } from './fetchTarget';

/** A request as openid-client makes it. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends one request to an address that a tenant has named.
 * @throws FetchRefused
 */
export type GuardedFetch = (url: string, init: FetchInit) => Promise<Response>;

export interface FetchOptions extends TargetRules {
  readonly resolver: Resolver;
  /** The most time for a whole request. */
  readonly timeoutMs?: number;
  /** The most bytes of a body. */
  readonly mostBytes?: number;
  /** The certificates to trust instead of those of Node. */
  readonly ca?: string | Buffer;
}

const TIMEOUT_MS = 5 * SECOND_MS;
const MOST_BYTES = 1024 * 1024;
const MOST_HEADER_BYTES = 16_384;
/** How many addresses of a host are tried. */
const MOST_ADDRESSES = 4;

/** Nothing was sent yet if one of these happens, so another address may be tried. */
const NO_CONNECTION: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'];
const CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_SSL_|EPROTO)/;

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;

/** Names the rule behind an error of Node's HTTP client. */
function ruleOf(error: unknown): FetchRule {
  const code = String(codeOf(error));
  if (code === 'HPE_HEADER_OVERFLOW') return 'too_large';
  if (code.startsWith('HPE_')) return 'malformed';
  return CERTIFICATE.test(code) ? 'certificate' : 'unreachable';
}

/** Returns the rule that an answer breaks before its body is read. */
function judgeAnswer({ statusCode = 0, headers }: IncomingMessage): FetchRule | undefined {
  if (statusCode >= 300 && statusCode < 400) return 'redirect';
  if (statusCode < 200 || statusCode > 599) return 'malformed';
  return (headers['content-encoding'] ?? 'identity') === 'identity' ? undefined : 'encoded';
}

const NO_BODY: readonly number[] = [204, 205];

/** Reads an answer, and stops at the limit. */
async function readAnswer(answer: IncomingMessage, mostBytes: number): Promise<Response> {
  const refusal = judgeAnswer(answer);
  if (refusal !== undefined) throw new FetchRefused(refusal);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > mostBytes) throw new FetchRefused('too_large');
    parts.push(part);
  }
  const { statusCode: status = 0, headersDistinct } = answer;
  const headers = new Headers();
  for (const [name, values] of Object.entries(headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return new Response(NO_BODY.includes(status) ? null : Buffer.concat(parts), { status, headers });
}

/** Sends the request to one address, whatever the name resolves to by now. */
async function send(
  url: URL,
  address: string,
  body: Buffer | undefined,
  options: RequestOptions & { mostBytes: number },
): Promise<Response> {
  const host = hostOf(url);
  const secure = url.protocol === 'https:';
  const { mostBytes, ...rest } = options;
  const target = { host: address, port: url.port || (secure ? 443 : 80), agent: false as const };
  const path = `${url.pathname}${url.search}`;
  // The certificate must be that of the name, not that of the address.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const all = { ...rest, ...target, ...name, path, maxHeaderSize: MOST_HEADER_BYTES };
  const sent = (secure ? requestHttps : requestHttp)(all);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve);
      // Stays after the answer: an error of the connection must not end the process.
      sent.on('error', reject);
      sent.end(body);
    });
    return await readAnswer(answer, mostBytes);
  } finally {
    sent.destroy();
  }
}

/** Rejects as soon as the signal is aborted. */
const aborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    const refuse = () => reject(new FetchRefused('timeout'));
    if (signal.aborted) refuse();
    else signal.addEventListener('abort', refuse, { once: true });
  });

/** Tries the addresses in turn while none accepts the connection. */
async function sendToFirst(
  addresses: readonly string[],
  sendTo: (address: string) => Promise<Response>,
): Promise<Response> {
  let failure: unknown;
  for (const address of addresses.slice(0, MOST_ADDRESSES)) {
    try {
      return await sendTo(address);
    } catch (error) {
      failure = error;
      if (!NO_CONNECTION.includes(codeOf(error))) break;
    }
  }
  throw failure;
}

function readBody(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return undefined;
  if (body instanceof URLSearchParams) return Buffer.from(body.toString());
  throw new TypeError('a guarded request sends a form or no body');
}

/**
 * Creates the only way in which the server asks addresses that tenants have named. Each request
 * resolves the name once, checks every address, and connects to a checked one, so a name that
 * changes its address in between (DNS rebinding) gains nothing.
 */
export function createGuardedFetch({ resolver, ca, ...options }: FetchOptions): GuardedFetch {
  const { timeoutMs = TIMEOUT_MS, mostBytes = MOST_BYTES } = options;
  return async (input, { method, headers, body: given, signal: ended }) => {
    const url = new URL(input);
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(ended ? [ended] : [])]);
    const end = aborted(signal);
    // Without this, a signal that nobody waits for any more would end the process.
    end.catch(() => undefined);
    const body = readBody(given);
    const length = body && { 'content-length': String(body.length) };
    const sentHeaders = { ...headers, host: url.host, 'accept-encoding': 'identity', ...length };
    const common = { method, headers: sentHeaders, signal, mostBytes, ...(ca && { ca }) };
    try {
      const addresses = await Promise.race([findAddresses(resolver, url, options), end]);
      return await sendToFirst(addresses, (address) => send(url, address, body, common));
    } catch (error) {
      if (signal.aborted) throw new FetchRefused('timeout', { cause: error });
      throw error instanceof FetchRefused
        ? error
        : new FetchRefused(ruleOf(error), { cause: error });
    }
  };
}

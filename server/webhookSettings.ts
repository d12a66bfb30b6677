import { createHash } from 'node:crypto';
import { isLoopback, parseUrl } from './mailSettings';

/** A receiver that something is posted to. */
export interface Webhook {
  /** Names it among all nodes: a hash, since the address may hold a secret. */
  readonly sink: string;
  readonly url: string;
  readonly token: string | undefined;
}

/** RFC 6750, 2.1. */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/;

function isReceiver(value: string, production: boolean): boolean {
  const url = parseUrl(value);
  if (!url || !/^https?:$/.test(url.protocol) || url.hash !== '') return false;
  if (url.username !== '' || url.password !== '') return false;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return url.protocol === 'https:' || !production || isLoopback(host);
}

/**
 * @param name of the setting that holds the address; that of the token is the same with `_TOKEN`
 * @returns one plain sentence for each of the two that is wrong; none repeats a value, which may be a secret
 */
export function objectionsToWebhook(
  name: string,
  { url, token }: { url: string | undefined; token: string | undefined },
  production: boolean,
): string[] {
  const problems: string[] = [];
  if (url !== undefined && !isReceiver(url, production)) {
    problems.push(
      `${name} must be an https:// address, or http:// for this machine or outside production, without user, password or fragment; a token goes into ${name}_TOKEN.`,
    );
  }
  if (token !== undefined && url === undefined) {
    problems.push(`${name} is missing: ${name}_TOKEN is for it.`);
  }
  if (token !== undefined && !BEARER.test(token)) {
    problems.push(`${name}_TOKEN may hold letters, digits and -._~+/, with = at the end.`);
  }
  return problems;
}

/** Receivers are told apart by their address alone: a new token does not begin from the start. */
export const webhookSink = (url: string, token: string | undefined): Webhook => ({
  sink: `webhook:${createHash('sha256').update(url).digest('hex').slice(0, 32)}`,
  url,
  token,
});

import { createHash } from 'node:crypto';
import { hostOf, isLoopback, parseUrl } from './parseUrl';

/** A receiver of HTTP POST requests. */
export interface Webhook {
  /** Identifies the receiver among all nodes: a hash, because the address may hold a secret. */
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
  return url.protocol === 'https:' || !production || isLoopback(hostOf(url));
}

/**
 * @param name the setting that holds the address; the setting of the token has the same name with
 * `_TOKEN`
 * @returns one sentence for each of the two that is invalid; none repeats a value, which may be a
 * secret
 */
export function findWebhookProblems(
  name: string,
  { url, token }: { url: string | undefined; token: string | undefined },
  production: boolean,
): string[] {
  const problems: string[] = [];
  if (url !== undefined && !isReceiver(url, production)) {
    problems.push(
      `${name} must be an https:// address, or http:// for this machine or outside production, without user, password or fragment. Put a token into ${name}_TOKEN.`,
    );
  }
  if (token !== undefined && url === undefined) {
    problems.push(`${name} is missing: ${name}_TOKEN has no effect without it.`);
  }
  if (token !== undefined && !BEARER.test(token)) {
    problems.push(`${name}_TOKEN may contain only letters, digits and -._~+/, with = at the end.`);
  }
  return problems;
}

/**
 * Builds a webhook sink. Only the address identifies a receiver, so that a new token does not start
 * the delivery again from the beginning.
 */
export const webhookSink = (url: string, token: string | undefined): Webhook => ({
  sink: `webhook:${createHash('sha256').update(url).digest('hex').slice(0, 32)}`,
  url,
  token,
});

import { parseMailAddress } from '../mailAddress';
import { hostOf, isLoopback, parseUrl } from './parseUrl';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { integer, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of mails and of the links in them. */
export const mailSettings = {
  SMTP_URL: text(),
  // Three times this timeout must stay shorter than a node's claim on a mail.
  SMTP_TIMEOUT_MS: integer(10_000, 100, 20_000),
  MAIL_FROM: text(),
  PUBLIC_URL: text(),
};

type MailEnvironment = SettingsOf<typeof mailSettings> & Mode;

/** How to reach the mail server. */
export interface SmtpSettings {
  readonly host: string;
  readonly port: number;
  /**
   * `implicit`: TLS from the first byte. `required`: STARTTLS, or nothing is sent. `offered`:
   * STARTTLS if the server offers it. `none`: the mail server is this machine. Certificates are
   * always verified.
   */
  readonly tls: 'implicit' | 'required' | 'offered' | 'none';
  readonly auth: { readonly user: string; readonly pass: string } | undefined;
  /**
   * The limit in milliseconds for each step of the conversation; a whole mail may take three times
   * as long.
   */
  readonly timeoutMs: number;
}

export interface MailFrom {
  readonly name: string;
  readonly address: string;
}

/** The operator's settings for mails. */
export interface MailSettings {
  readonly smtp: SmtpSettings | undefined;
  readonly from: MailFrom | undefined;
  /**
   * The public address of this server, with the path of a gateway if there is one, without a slash
   * at the end.
   */
  readonly publicUrl: string | undefined;
}

const IMPLICIT_TLS_PORT = 465;
/** RFC 6409: submission. */
const SUBMISSION_PORT = 587;

const isBare = ({ pathname, search, hash }: URL) =>
  (pathname === '' || pathname === '/') && search === '' && hash === '';

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

function parseSmtp(value: string, env: MailEnvironment): SmtpSettings | undefined {
  const url = parseUrl(value);
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '' || !isBare(url)) return;
  const [user, pass] = [decode(url.username), decode(url.password)];
  if (user === undefined || pass === undefined || (user === '') !== (pass === '')) return;
  const host = hostOf(url);
  const auth = user === '' ? undefined : { user, pass };
  const implicit = url.protocol === 'smtps:';
  const port = Number(url.port || (implicit ? IMPLICIT_TLS_PORT : SUBMISSION_PORT));
  const server = { host, port, auth, timeoutMs: env.SMTP_TIMEOUT_MS };
  if (implicit) return { ...server, tls: 'implicit' };
  if (isLoopback(host)) return { ...server, tls: 'none' };
  return { ...server, tls: isProduction(env) ? 'required' : 'offered' };
}

const MOST_NAME = 100;

/** Reads `Name <address>`, or the address alone. */
function parseFrom(value: string): MailFrom | undefined {
  const [, name = '', address = value] = /^([^<>]*?)\s*<([^<>]*)>$/.exec(value) ?? [];
  const plain = name.replace(/^"(.*)"$/, '$1');
  if (plain.length > MOST_NAME || /[\p{C}"\\]/u.test(plain)) return undefined;
  const parsed = parseMailAddress(address);
  return parsed && { name: plain, address: parsed.typed };
}

/**
 * A path that works in links: parts between single slashes, in characters that no client encodes
 * again.
 */
const PATH = /^(\/[A-Za-z0-9._~-]+)*\/?$/;

function parsePublicUrl(value: string, production: boolean): string | undefined {
  const url = parseUrl(value);
  if (!url || url.username !== '' || url.password !== '') return undefined;
  if (url.search !== '' || url.hash !== '' || !PATH.test(url.pathname)) return undefined;
  if (url.protocol !== 'https:' && (production || url.protocol !== 'http:')) return undefined;
  return `${url.origin}${url.pathname.replace(/\/$/, '')}`;
}

/** @returns one sentence for each invalid setting; none repeats a value, which may be a secret */
export function findMailProblems(env: MailEnvironment): string[] {
  const problems: string[] = [];
  const production = isProduction(env);
  const { SMTP_URL, MAIL_FROM, PUBLIC_URL } = env;
  if (SMTP_URL !== undefined && !parseSmtp(SMTP_URL, env)) {
    problems.push(
      'SMTP_URL must be smtp://host or smtps://host, with user:password@ before and :port after the host if needed, and nothing else. Percent-encode special characters.',
    );
  }
  if (SMTP_URL !== undefined && MAIL_FROM === undefined) {
    problems.push(
      'MAIL_FROM is missing: if SMTP_URL is set, set MAIL_FROM to the address that mails come from.',
    );
  }
  if (MAIL_FROM !== undefined && !parseFrom(MAIL_FROM)) {
    problems.push('MAIL_FROM must be an address, or a name and an address: Name <a@b.example>.');
  }
  if (PUBLIC_URL !== undefined && !parsePublicUrl(PUBLIC_URL, production)) {
    problems.push(
      'PUBLIC_URL must be the address at which people reach this server, such as https://id.example or https://example.com/auth; in production with https.',
    );
  }
  return problems;
}

/** Reads settings that {@link findMailProblems} has accepted; unset ones are undefined. */
export function readMailSettings(env: MailEnvironment): MailSettings {
  const production = isProduction(env);
  const { SMTP_URL, MAIL_FROM, PUBLIC_URL } = env;
  return {
    smtp: SMTP_URL === undefined ? undefined : parseSmtp(SMTP_URL, env),
    from: MAIL_FROM === undefined ? undefined : parseFrom(MAIL_FROM),
    publicUrl: PUBLIC_URL === undefined ? undefined : parsePublicUrl(PUBLIC_URL, production),
  };
}

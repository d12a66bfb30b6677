import { AppError } from '../errors';
import { FETCH_RULES } from './fetchRefused';
import { judgeUrl } from './fetchTarget';
import type { TargetRules } from './fetchTarget';

/** Google signs in everybody in the world under this one issuer. */
export const GOOGLE = 'https://accounts.google.com';

/** What can be wrong with an issuer, besides what is wrong with any address, and the sentence for it. */
const ISSUER_RULES = {
  not_a_url: 'The issuer must be an https:// address, exactly as the provider shows it.',
  extra_parts: 'The issuer must not contain a query or a fragment.',
  discovery_address:
    'Enter the issuer, and not the address of its discovery document: leave out /.well-known/ and what follows.',
  template: 'The issuer contains a placeholder. Put the id of your own directory in its place.',
  shared_directory:
    'This issuer stands for the directories of all organisations. Use the issuer that contains the id of your own directory.',
  mismatch:
    'The provider names another issuer in its discovery document. Enter the issuer exactly as the provider shows it.',
  trailing_slash:
    'The provider writes its issuer with a slash at the end, or you do and the provider does not. Enter it exactly as the provider shows it.',
} as const;

type IssuerRule = keyof typeof ISSUER_RULES | keyof typeof FETCH_RULES;

/** Builds the error for an issuer that this tenant may not use. */
export const refusedIssuer = (rule: IssuerRule): AppError =>
  new AppError('SSO_ISSUER_REFUSED', {
    detail: { ...FETCH_RULES, ...ISSUER_RULES }[rule],
    extra: { rule },
  });

/** Entra's names for the directories of everybody, and the one of all private accounts. */
const SHARED = new Set([
  'common',
  'organizations',
  'consumers',
  '9188040d-6c67-4c5b-b112-36a304b66dad',
]);

const isShared = ({ pathname }: URL) =>
  pathname.split('/').some((part) => SHARED.has(part.toLowerCase()));

function judgeIssuer(issuer: string, rules: TargetRules): IssuerRule | undefined {
  if (/[{}]|%7[BD]/i.test(issuer)) return 'template';
  if (!URL.canParse(issuer)) return 'not_a_url';
  const url = new URL(issuer);
  // What the parser repairs would not be equal to what the provider names.
  if (!/^[\x21-\x7e]+$/.test(issuer) || !/^https?:\/\//.test(issuer)) return 'not_a_url';
  if (/[?#]/.test(issuer)) return 'extra_parts';
  if (url.pathname.includes('/.well-known')) return 'discovery_address';
  if (isShared(url)) return 'shared_directory';
  return judgeUrl(url, rules);
}

/**
 * Refuses an issuer that is no issuer, that stands for more than one organisation, or that the
 * server may not ask.
 * @throws AppError SSO_ISSUER_REFUSED
 */
export function assertIssuer(issuer: string, rules: TargetRules): void {
  const refusal = judgeIssuer(issuer, rules);
  if (refusal !== undefined) throw refusedIssuer(refusal);
}

/**
 * Compares issuers byte for byte: an issuer with another slash or other capitals is another issuer.
 * @throws AppError SSO_ISSUER_REFUSED
 */
export function assertSameIssuer(named: string, issuer: string): void {
  if (named === issuer) return;
  const alike = named === `${issuer}/` || issuer === `${named}/`;
  throw refusedIssuer(alike ? 'trailing_slash' : 'mismatch');
}

/** What can be wrong with a request to an identity provider, with the sentence that says so. */
export const FETCH_RULES = {
  not_https: 'The address must begin with https://.',
  credentials: 'The address must not contain a user name or a password.',
  port: 'Only port 443 is allowed, unless the operator of this server lists the host with its port.',
  address:
    'The host has an address that is not on the public internet, and the operator of this server has not listed it.',
  host_unknown: 'The host does not exist in the DNS.',
  dns_failed: 'The DNS did not answer. Try again later.',
  unreachable: 'The host did not accept the connection, or closed it.',
  certificate: 'The certificate of the host is not valid for it, or its issuer is not trusted.',
  timeout: 'The host took too long to answer.',
  redirect: 'The host answered with a redirect, and redirects are not followed.',
  encoded: 'The host answered with a compressed body, which was not asked for.',
  too_large: 'The answer is too large.',
  malformed: 'The answer is not valid.',
} as const;

export type FetchRule = keyof typeof FETCH_RULES;

/** Thrown if a guarded request was refused or failed; `rule` says why. */
export class FetchRefused extends Error {
  constructor(
    readonly rule: FetchRule,
    options?: ErrorOptions,
  ) {
    super(FETCH_RULES[rule], options);
    this.name = 'FetchRefused';
  }
}

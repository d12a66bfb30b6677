import { parse } from 'tldts';
import { z } from 'zod';
import { AppError } from '../errors';
import { storableText } from '../http/routeTable';
import { normalizeDomain, trimPasted } from '../mailAddress';
import { isPublicMailDomain } from './publicMailDomains';

/** The first label of the name that has the TXT record. */
const LABEL = '_gatehouse';
const MOST_LENGTH = 253 - `${LABEL}.`.length;

/**
 * The schema of a domain in a request. It accepts any spelling and returns the normal form, which is
 * that of the domain in an e-mail address.
 */
export const domainField = storableText(253, 3, 'example.com').transform((text, { issues }) => {
  const domain = normalizeDomain(trimPasted(text));
  if (domain !== null && domain.includes('.') && domain.length <= MOST_LENGTH) return domain;
  issues.push({
    code: 'custom',
    input: undefined,
    message: `must be a domain such as example.com, of at most ${MOST_LENGTH} characters`,
  });
  return z.NEVER;
});

/** Returns why no tenant can prove a domain; undefined if one can. */
function refusalOf(domain: string): 'public_suffix' | 'mail_provider' | undefined {
  const read = parse(domain, { allowPrivateDomains: true });
  // A domain below a suffix that the list does not have may be one of a private network.
  if (read.domain === null) return 'public_suffix';
  const belongsToAll = isPublicMailDomain(domain) || isPublicMailDomain(read.domain);
  return belongsToAll ? 'mail_provider' : undefined;
}

const WHY = {
  public_suffix: 'Many organisations register their domains below this one.',
  mail_provider: 'Anybody can get an address at this domain.',
} as const;

/** @throws AppError DOMAIN_NOT_ALLOWED with `reason`, if the domain cannot belong to one tenant */
export function assertOwnable(domain: string): void {
  const reason = refusalOf(domain);
  if (!reason) return;
  const detail = `${WHY[reason]} Add a domain that belongs to your organisation alone.`;
  throw new AppError('DOMAIN_NOT_ALLOWED', { detail, extra: { reason } });
}

/** Returns the TXT record that proves a domain. */
export const recordOf = ({ domain, token }: { domain: string; token: string }) => ({
  name: `${LABEL}.${domain}`,
  type: 'TXT' as const,
  value: `gatehouse-domain=${token}`,
});

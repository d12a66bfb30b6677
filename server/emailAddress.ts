import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { storableText } from './routeTable';

/** RFC 5321 4.5.3.1: what a mail server has to be able to handle; errata 1690 for the whole address. */
const MAX_ADDRESS_OCTETS = 254;
const MAX_LOCAL_OCTETS = 64;
const MAX_DOMAIN_LENGTH = 253;

/** What clings to text that was pasted: white space, and characters that nobody sees. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;

/** RFC 5321 4.1.2 dot-string, with RFC 6531's letters: no quoted form, which names the same mailbox in many spellings. */
const LOCAL_PART =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~\P{ASCII}-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~\P{ASCII}-]+)*$/u;
/** Controls, format characters, surrogates, what has no character yet, and white space. */
const NEVER_IN_LOCAL_PART = /[\p{C}\p{Z}]/u;

/** Before the conversion: it reads a URL's host, and would cut at a slash or decode a percent sign. */
const DOMAIN_AS_TYPED = /^[A-Za-z0-9.\P{ASCII}-]+$/u;
/** A URL's reader drops tabs and line breaks in silence; everything else that is invisible is UTS 46's to judge. */
const NEVER_IN_DOMAIN = /[\p{Cc}\p{Z}]/u;
/** RFC 1123 2.1: letters, digits and hyphens. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const octets = (text: string) => Buffer.byteLength(text, 'utf8');

function normalizeLocalPart(text: string): string | null {
  // Composed again: lower case can take a letter apart.
  const local = text.normalize('NFC').toLowerCase().normalize('NFC');
  if (NEVER_IN_LOCAL_PART.test(local) || !LOCAL_PART.test(local)) return null;
  return octets(local) <= MAX_LOCAL_OCTETS ? local : null;
}

function normalizeDomain(text: string): string | null {
  if (!DOMAIN_AS_TYPED.test(text) || NEVER_IN_DOMAIN.test(text)) return null;
  // UTS 46, as browsers do it in <input type="email">.
  const domain = domainToASCII(text);
  const labels = domain.split('.');
  if (domain.length > MAX_DOMAIN_LENGTH || !labels.every((label) => LABEL.test(label))) return null;
  // An address of the network is not a domain: RFC 5321 4.1.3 has other brackets for it.
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : domain;
}

/**
 * The one spelling of an e-mail address: NFC, trimmed, in lower case, its domain in ASCII (IDNA, UTS 46). Whatever is
 * stored, looked up or counted by address goes through here, so that one mailbox is one person.
 * @returns null for text that no mail can reach
 */
export function normalizeEmail(text: string): string | null {
  const trimmed = text.replace(AROUND, '');
  const at = trimmed.lastIndexOf('@');
  if (at < 1) return null;
  const local = normalizeLocalPart(trimmed.slice(0, at));
  const domain = normalizeDomain(trimmed.slice(at + 1));
  if (local === null || domain === null) return null;
  const address = `${local}@${domain}`;
  return octets(address) <= MAX_ADDRESS_OCTETS ? address : null;
}

/** An e-mail address in a request or a command, in any spelling; what comes out is its one normal form. */
export const emailField = storableText(254, 3).transform((text, { issues }) => {
  const email = normalizeEmail(text);
  if (email !== null) return email;
  issues.push({ code: 'custom', input: undefined, message: 'must be an e-mail address' });
  return z.NEVER;
});

/** The one spelling of a tenant's slug, as people type it: NFC, trimmed, in lower case. */
export const normalizeSlug = (text: string): string =>
  text.replace(AROUND, '').normalize('NFC').toLowerCase();

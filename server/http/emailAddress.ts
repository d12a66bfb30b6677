import { domainToASCII } from 'node:url';
import { z } from 'zod';
import { storableText } from './routeTable';

/**
 * RFC 5321 4.5.3.1: sizes that every mail server must accept; erratum 1690 for the whole address.
 */
const MAX_ADDRESS_OCTETS = 254;
const MAX_LOCAL_OCTETS = 64;
const MAX_DOMAIN_LENGTH = 253;

/** White space and invisible characters around pasted text. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;

/**
 * RFC 5321 4.1.2 dot-string, with RFC 6531's letters. Quoted forms are excluded, because they give
 * one mailbox many spellings.
 */
const LOCAL_PART =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~\P{ASCII}-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~\P{ASCII}-]+)*$/u;
/** Control and format characters, surrogates, unassigned code points, and white space. */
const NEVER_IN_LOCAL_PART = /[\p{C}\p{Z}]/u;

/**
 * Checked before the conversion, which parses a URL's host and would cut at a slash or decode a
 * percent sign.
 */
const DOMAIN_AS_TYPED = /^[A-Za-z0-9.\P{ASCII}-]+$/u;
/**
 * URL parsers silently drop tabs and line breaks. UTS 46 decides about all other invisible
 * characters.
 */
const NEVER_IN_DOMAIN = /[\p{Cc}\p{Z}]/u;
/** RFC 1123 2.1: letters, digits and hyphens. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const octets = (text: string) => Buffer.byteLength(text, 'utf8');

function normalizeLocalPart(text: string): string | null {
  // Compose again, because lower-casing can decompose a letter.
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
  // An IP address is not a domain: RFC 5321 4.1.3 has a bracketed form for it.
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : domain;
}

/**
 * Returns the normal form of an e-mail address: NFC, trimmed, lower case, with an ASCII domain
 * (IDNA, UTS 46). Every address that is stored, looked up or counted must be normalised by this
 * function, so that one mailbox is one person.
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

/**
 * The schema of an e-mail address in a request or a command. It accepts any spelling and returns
 * the normal form.
 */
export const emailField = storableText(254, 3).transform((text, { issues }) => {
  const email = normalizeEmail(text);
  if (email !== null) return email;
  issues.push({ code: 'custom', input: undefined, message: 'must be an e-mail address' });
  return z.NEVER;
});

/** Returns the normal form of a typed tenant slug: NFC, trimmed, lower case. */
export const normalizeSlug = (text: string): string =>
  text.replace(AROUND, '').normalize('NFC').toLowerCase();

import { domainToASCII } from 'node:url';

/**
 * RFC 5321 4.5.3.1: sizes that every mail server must accept; erratum 1690 for the whole address.
 */
const MAX_ADDRESS_OCTETS = 254;
const MAX_LOCAL_OCTETS = 64;
const MAX_DOMAIN_LENGTH = 253;

const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;

/** Returns a text without the white space and invisible characters around it, as pasted text has. */
export const trimPasted = (text: string): string => text.replace(AROUND, '');

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

/** Composes again, because lower-casing can decompose a letter. */
const lowerCase = (text: string) => text.toLowerCase().normalize('NFC');

function isLocalPart(local: string): boolean {
  if (NEVER_IN_LOCAL_PART.test(local) || !LOCAL_PART.test(local)) return false;
  return octets(local) <= MAX_LOCAL_OCTETS;
}

/**
 * Returns the normal form of a domain, as in the normal form of an address: ASCII (IDNA, UTS 46) in
 * lower case.
 * @returns null for text that is no domain
 */
export function normalizeDomain(text: string): string | null {
  if (!DOMAIN_AS_TYPED.test(text) || NEVER_IN_DOMAIN.test(text)) return null;
  // UTS 46, as browsers do it in <input type="email">.
  const domain = domainToASCII(text);
  const labels = domain.split('.');
  if (domain.length > MAX_DOMAIN_LENGTH || !labels.every((label) => LABEL.test(label))) return null;
  // An IP address is not a domain: RFC 5321 4.1.3 has a bracketed form for it.
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : domain;
}

export interface MailAddress {
  /**
   * The local part as it was typed, and the ASCII domain. A mail server may tell upper and lower
   * case apart in the local part (RFC 5321 2.4), so a sender's address keeps them.
   */
  readonly typed: string;
  /** The form in which addresses of people are stored, looked up and counted. */
  readonly normal: string;
}

/**
 * Reads an e-mail address. This is the only rule for addresses: those of people and the sender's.
 * @returns undefined for text that is not one address, or that no mail can reach
 */
export function parseMailAddress(text: string): MailAddress | undefined {
  const trimmed = trimPasted(text);
  const at = trimmed.lastIndexOf('@');
  if (at < 1) return undefined;
  const local = trimmed.slice(0, at).normalize('NFC');
  const lower = lowerCase(local);
  const domain = normalizeDomain(trimmed.slice(at + 1));
  if (domain === null || !isLocalPart(lower)) return undefined;
  const address = { typed: `${local}@${domain}`, normal: `${lower}@${domain}` };
  return octets(address.normal) <= MAX_ADDRESS_OCTETS ? address : undefined;
}

/**
 * Returns the normal form of an e-mail address: NFC, trimmed, lower case, with an ASCII domain
 * (IDNA, UTS 46). Every address that is stored, looked up or counted must be normalised by this
 * function, so that one mailbox is one person.
 * @returns null for text that no mail can reach
 */
export const normalizeEmail = (text: string): string | null =>
  parseMailAddress(text)?.normal ?? null;

/** Returns the domain of an address in its normal form. */
export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

import ipaddr from 'ipaddr.js';
import { readAddress } from '../../http/clientAddress';
import type { KeyRing } from '../../keyRing';
import { MINUTE_MS } from '../../durations';

/** The window in which failures count towards a temporary refusal. */
export const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/**
 * Counters that have not changed for so long are deleted if they are far from any limit. No window
 * may be longer, or its count would be lost.
 */
export const COUNTERS_KEPT_DAYS = 30;

/**
 * NIST SP 800-63B-4 3.2.2: fewer than 100 consecutive failed tries on one account. These are its
 * shares, counted since the last success; passwords and codes together make 99. Devices and
 * networks from which the owner has signed in, and logins that have shown the second factor, have
 * their own shares, so that a stranger's guessing cannot lock the owner out.
 */
export const TRIES_FOR_STRANGERS = 40;
export const TRIES_FOR_KNOWN_DEVICES = 12;
export const TRIES_FOR_KNOWN_NETWORKS = 12;
export const TRIES_AFTER_FACTOR = 8;
/**
 * Codes of logins that begin with the second factor. Anybody may guess them, so they have their own
 * share.
 */
export const BEGUN_LOGIN_TRIES = 10;
/**
 * RFC 4226 7.3: codes of people who have shown a password, a session or a token, summed over all
 * challenges.
 */
export const STEP_UP_TRIES = 17;

/** Codes are refused from this number of wrong codes in the window. */
export const STEP_UP_FAILURES = 10;

/** The limits for codes of logins that begin with the second factor, per account. */
export const BEGUN_LIMITS = { failures: STEP_UP_FAILURES, tries: BEGUN_LOGIN_TRIES } as const;

/** This number of accounts that fail from one address in the window counts as a spray. */
export const SPRAYED_ACCOUNTS = 5;

/** All counters for an account's passwords. */
export const PASSWORD_SCOPES = [
  'account',
  'known_device',
  'known_network',
  'after_factor',
] as const;

/**
 * Returns the keyed hash under which an e-mail address, an IP address or a staff member is counted.
 */
export const attemptSubject = (keys: KeyRing, kind: string, value: string): string =>
  keys.hash('attempt-subject', kind, value).subarray(0, 16).toString('hex');

/**
 * Returns the key under which the codes of an account's begun logins are counted.
 * @param subject the key under which tries of its e-mail address are counted
 */
export const begunAccountSubject = (keys: KeyRing, subject: string): string =>
  attemptSubject(keys, 'begun-account', subject);

/** Returns this hash under each accepted key, the current one first. */
export const attemptSubjects = (keys: KeyRing, kind: string, value: string): string[] =>
  keys.hashAll('attempt-subject', kind, value).map((hash) => hash.subarray(0, 16).toString('hex'));

/**
 * Returns the block that stands for one household, office or attacker: an IPv4 address, or the /64
 * that one IPv6 subscriber gets.
 */
export function addressBlock(ip: string | null): string {
  const canonical = readAddress(ip);
  if (canonical === null) return 'unknown';
  const address = ipaddr.parse(canonical);
  if (address.kind() === 'ipv4') return address.toString();
  return address
    .toByteArray()
    .slice(0, 8)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

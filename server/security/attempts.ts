import ipaddr from 'ipaddr.js';
import { readAddress } from '../clientAddress';
import type { KeyRing } from '../keyRing';

/** The window in which failures count towards a temporary refusal. */
export const FAILURE_WINDOW_MS = 15 * 60_000;

/**
 * NIST SP 800-63B-4 3.2.2: no more than 100 consecutive failed tries on one account. Devices that the owner
 * has signed in on keep a share of their own, so that a stranger's guessing cannot lock the owner out.
 */
export const TRIES_FOR_STRANGERS = 80;
export const TRIES_FOR_KNOWN_DEVICES = 20;

/** RFC 4226 7.3: the budget of codes per staff member, across challenges. */
export const STEP_UP_FAILURES = 10;
export const STEP_UP_TRIES = 50;

/** Under which keyed hash an e-mail, an address or a staff member is counted. */
export const attemptSubject = (keys: KeyRing, kind: string, value: string): string =>
  keys.hash('attempt-subject', kind, value).subarray(0, 16).toString('hex');

/** The same under each accepted key, the current one first. */
export const attemptSubjects = (keys: KeyRing, kind: string, value: string): string[] =>
  keys.hashAll('attempt-subject', kind, value).map((hash) => hash.subarray(0, 16).toString('hex'));

/** One household, office or attacker: an IPv4 address, or the /64 that one IPv6 subscriber gets. */
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

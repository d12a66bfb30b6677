import { z } from 'zod';
import { normalizeEmail, trimPasted } from '../mailAddress';
import { storableText } from './routeTable';

/**
 * The schema of an e-mail address in a request or a command. It accepts any spelling and returns
 * the normal form.
 */
export const emailField = storableText(254, 3, 'ada@example.com').transform((text, { issues }) => {
  const email = normalizeEmail(text);
  if (email !== null) return email;
  issues.push({ code: 'custom', input: undefined, message: 'must be an e-mail address' });
  return z.NEVER;
});

/** Returns the normal form of a typed tenant slug: NFC, trimmed, lower case. */
export const normalizeSlug = (text: string): string =>
  trimPasted(text).normalize('NFC').toLowerCase();

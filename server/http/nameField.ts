import { trimPasted } from '../mailAddress';
import { storableText } from './routeTable';

const MOST_CHARACTERS = 100;
/** Enough UTF-16 units for that many characters, and for white space around them. */
const MOST_UNITS = 4 * MOST_CHARACTERS;
/**
 * Control characters, line separators, and the marks that reverse the direction of the text after
 * them: a name is shown on one line, beside other text. Joiners stay, because some scripts need
 * them.
 */
const NEVER_IN_NAME = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;

const length = (name: string) => [...name].length;

/** The schema of a person's name: it returns the name trimmed and composed (NFC). */
export const nameField = storableText(MOST_UNITS)
  .transform((text) => trimPasted(text).normalize('NFC'))
  .refine((name) => length(name) >= 1 && length(name) <= MOST_CHARACTERS, {
    message: `must have 1 to ${MOST_CHARACTERS} characters`,
  })
  .refine((name) => !NEVER_IN_NAME.test(name), {
    message: 'must not contain control characters or line breaks',
  });

import { COMMON_PASSWORD_LIST } from './commonPasswordList';

/** Longer common passwords, which the list of shorter ones does not have, and this product's name. */
const LONG = `password1234567 passwordpassword passwordpassword1 password123456789 123456789012345
  1234567890123456 12345678901234567890 qwertyuiopasdfgh qwertyuiopasdfghjkl qwertyuiop12345
  qwertyuiop1234567890 1qaz2wsx3edc4rfv 1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o0p abcdefghijklmno
  abcdefghijklmnop abcdefghijklmnopqrstuvwxyz thisismypassword thisisapassword mypasswordispassword
  iloveyouiloveyou letmeinletmein letmeinletmeinletmein correcthorsebatterystaple
  zxcvbnmasdfghjkl asdfghjklqwertyuiop trustnoonetrustnoone welcometothejungle gatehouse gatehouse1`;

const split = (list: string) => list.split(/\s+/).filter((word) => word !== '');

let loaded: ReadonlySet<string> | undefined;

/** Reads the list at the first question, so that a start does not wait for it. */
const readList = (): ReadonlySet<string> =>
  (loaded ??= new Set([...split(COMMON_PASSWORD_LIST), ...split(LONG)]));

/** Returns how many passwords the list has. */
export const countCommonPasswords = (): number => readList().size;

/** Returns the shortest text of which `text` is a repetition; the text itself if there is none. */
function unrepeat(text: string): string {
  const period = (text + text).indexOf(text, 1);
  return text.slice(0, period);
}

/** White space and invisible characters, which attackers' tools put between words themselves. */
const BLANKS = /[\s\p{Z}\p{Cf}]+/gu;

/**
 * Returns whether the whole password is one of those that attackers try first, in any case, with or
 * without spaces, or is one of them repeated, or one character repeated. A longer password that contains one is not a
 * match (NIST SP 800-63B-4 3.1.1.2).
 * @param password in NFKC
 */
export function isCommonPassword(password: string): boolean {
  const folded = password.toLowerCase().replaceAll(BLANKS, '');
  const once = unrepeat(folded);
  const list = readList();
  return list.has(folded) || list.has(once) || [...once].length <= 1;
}

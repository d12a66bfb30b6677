/** Words of at least this length count. A shorter one would match too much by chance. */
const LEAST_WORD = 3;

/** Words that people put beside a name to make a password of it. */
const FILLERS = ['password', 'passwort', 'pass', 'welcome', 'login', 'admin', 'secret'];

/** Characters that people write in place of a letter. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  a: '4@',
  b: '8',
  e: '3',
  g: '9',
  i: '1!|',
  l: '1!|',
  o: '0',
  s: '5$',
  t: '7+',
  z: '2',
};

const isLetter = (character: string) => /\p{L}/u.test(character);

const fold = (text: string) => text.normalize('NFKC').toLowerCase();

const reverse = (word: string) => [...word].reverse().join('');

/** Splits a name or an address into its words, and adds the words joined without spaces. */
function wordsOf(text: string): string[] {
  const parts = fold(text)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part !== '');
  return [...parts, parts.join('')];
}

const matches = (character: string | undefined, letter: string) =>
  character === letter || (character !== undefined && LOOKALIKES[letter]?.includes(character));

/**
 * Returns whether a password is nothing but words from a list that anybody can look up: the names
 * of a person, their tenants and this product. Case, digits and punctuation around the words,
 * repetitions, reversed words and look-alikes such as `0` for `o` do not help. A password with any
 * other letter in it passes.
 * @param password in NFKC
 * @param names names and addresses, in any form
 */
export function isOwnWords(password: string, names: readonly string[]): boolean {
  const own = new Set(names.flatMap(wordsOf).filter((word) => [...word].length >= LEAST_WORD));
  const words = [...own].flatMap((word) => [word, reverse(word)]);
  const known = [...words, ...FILLERS].map((word) => [...word]);
  const characters = [...fold(password)];
  // From each position that the words reach, try each word, and step over anything but a letter.
  const reached = new Set([0]);
  let word = false;
  for (let at = 0; at < characters.length; at += 1) {
    if (!reached.has(at)) continue;
    if (!isLetter(characters[at] ?? '')) reached.add(at + 1);
    for (const letters of known) {
      if (!letters.every((letter, index) => matches(characters[at + index], letter))) continue;
      reached.add(at + letters.length);
      word = true;
    }
  }
  return word && reached.has(characters.length);
}

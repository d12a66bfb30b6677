import { randomBytes } from 'node:crypto';
import { kindOfKey, makeKeyText } from '@/server/keyText';

const random = { bytes: randomBytes };
/** The pattern that docs/api-keys.md gives to secret scanners. */
const PATTERN = /\bghk_[st][0-9A-Za-z]{49}\b/;

describe('the text of a key', () => {
  it('has the documented pattern, its kind, and 256 random bits', () => {
    const texts = new Set<string>();
    for (let index = 0; index < 500; index += 1) {
      const kind = index % 2 === 0 ? 's' : 't';
      const text = makeKeyText(random, kind);
      expect(text).toMatch(PATTERN);
      expect(kindOfKey(text)).toBe(kind);
      texts.add(text);
    }
    expect(texts.size).toBe(500);
  });

  it('keeps every bit of the secret, from the least to the greatest', () => {
    const least = makeKeyText({ bytes: (size) => Buffer.alloc(size, 0) }, 't');
    const greatest = makeKeyText({ bytes: (size) => Buffer.alloc(size, 255) }, 't');
    expect([least, greatest].map(kindOfKey)).toEqual(['t', 't']);
    expect(least.slice(0, 48)).toBe(`ghk_t${'0'.repeat(43)}`);
    expect(greatest).not.toBe(least);
    // A published text: scanners may check the checksum offline.
    expect(least).toBe(`ghk_t${'0'.repeat(43)}47pjr4`);
  });

  it('is recognised as wrong if any one character differs', () => {
    const text = makeKeyText(random, 't');
    for (let at = 0; at < text.length; at += 1) {
      const other = text[at] === 'a' ? 'b' : 'a';
      expect(kindOfKey(text.slice(0, at) + other + text.slice(at + 1))).toBeUndefined();
    }
  });

  it.each(['', 'ghk_', 'ghk_t', 'GHK_t'.padEnd(54, 'a'), `${'a'.repeat(54)}`])(
    'is refused if it is %j',
    (text) => {
      expect(kindOfKey(text)).toBeUndefined();
    },
  );
});

import { normalizeSlug } from '@/server/http/emailAddress';
import { normalizeEmail } from '@/server/mailAddress';

const MUNICH = 'ann@xn--mnchen-3ya.example';

describe('the normal form of an e-mail address', () => {
  it.each([
    ['as it is', 'ann@example.com', 'ann@example.com'],
    ['upper case', 'Ann@Example.COM', 'ann@example.com'],
    ['white space around it', '\t ann@example.com\r\n', 'ann@example.com'],
    ['what a chat program pastes along', '\u200bann@example.com\ufeff', 'ann@example.com'],
    ['a domain in Unicode', 'ann@münchen.example', MUNICH],
    ['a domain in Unicode and upper case', 'ANN@MÜNCHEN.Example', MUNICH],
    ['a decomposed domain', 'ann@mu\u0308nchen.example', MUNICH],
    ['a domain as browsers send it', 'ann@XN--MNCHEN-3YA.example', MUNICH],
    ['a full-width domain', 'ann@ｅｘａｍｐｌｅ．com', 'ann@example.com'],
    ['an ideographic full stop', 'ann@münchen。example', MUNICH],
    ['a sharp s, which is no double s', 'ann@straße.example', 'ann@xn--strae-oqa.example'],
    ['a decomposed local part', 'andre\u0301@example.com', 'andr\u00e9@example.com'],
    ['a dotted capital I', '\u0130@example.com', 'i\u0307@example.com'],
    ['every sign that a local part may have', "a!#$%&'*+-/=?^_`{|}~.b@example.com"],
    ['no dot in the domain', 'root@localhost'],
    ['64 octets before the sign', `${'a'.repeat(64)}@example.com`],
    ['254 octets', `${'a'.repeat(59)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.ef`],
  ])('is one for %s', (_what, typed, normal = typed) => {
    expect(normalizeEmail(typed)).toBe(normal);
    expect(normalizeEmail(normal)).toBe(normal);
  });

  it.each([
    ['no sign', 'ann.example.com'],
    ['nothing before the sign', '@example.com'],
    ['nothing after the sign', 'ann@'],
    ['two signs', 'ann@home@example.com'],
    ['a quoted local part', '"ann"@example.com'],
    ['a comment', 'ann(home)@example.com'],
    ['angle brackets', 'Ann <ann@example.com>'],
    ['white space inside', 'an n@example.com'],
    ['a line break inside', 'ann@example.com\nbcc:bob@example.com'],
    ['a tab in the domain', 'ann@exam\tple.com'],
    ['a control character', 'a\u0007nn@example.com'],
    ['an invisible character', 'a\u200bnn@example.com'],
    ['a mark of direction', 'a\u202enn@example.com'],
    ['half of a surrogate pair', 'a\ud800@example.com'],
    ['dots in a row', 'a..b@example.com'],
    ['a dot at the end', 'a.@example.com'],
    ['an empty label', 'ann@example..com'],
    ['a dot before the domain', 'ann@.example.com'],
    ['a dot after the domain', 'ann@example.com.'],
    ['a label that begins with a hyphen', 'ann@-example.com'],
    ['a label that ends with a hyphen', 'ann@example-.com'],
    ['an underscore in the domain', 'ann@exa_mple.com'],
    ['a percent sign in the domain', 'ann@ex%61mple.com'],
    ['a slash in the domain', 'ann@example.com/x'],
    ['a port', 'ann@example.com:25'],
    ['an address of the network', 'ann@192.0.2.1'],
    ['a short address of the network', 'ann@127.1'],
    ['a literal', 'ann@[192.0.2.1]'],
    ['a literal of IPv6', 'ann@[IPv6:2001:db8::1]'],
    ['a label that says it is IDNA and is not', 'ann@xn--a.example'],
    ['a label of 64 characters', `ann@${'a'.repeat(64)}.example`],
    ['65 octets before the sign', `${'a'.repeat(65)}@example.com`],
    ['65 octets in 33 letters', `${'é'.repeat(33)}@example.com`],
    ['255 octets', `${'a'.repeat(60)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.ef`],
    ['nothing', ''],
  ])('does not exist for %s', (_what, typed) => {
    expect(normalizeEmail(typed)).toBeNull();
  });

  it('is its own normal form, whatever it was made of', () => {
    const letters = [
      'a',
      'Z',
      'é',
      'e\u0301',
      'ß',
      'ẞ',
      'İ',
      'ı',
      'Σ',
      'ς',
      'ǅ',
      'ﬃ',
      'Å',
      'Ω',
      'ᾳ',
      'ŉ',
    ];
    for (const first of letters) {
      for (const second of letters) {
        const normal = normalizeEmail(`${first}${second}@${first}x${second}.example`);
        if (normal !== null) expect(normalizeEmail(normal)).toBe(normal);
      }
    }
    expect(normalizeEmail('ΑΣ@example.com')).toBe('ας@example.com');
  });
});

describe('the normal form of a slug', () => {
  it('is in lower case, composed and without what surrounds it', () => {
    expect(normalizeSlug(' ACME\u200b\n')).toBe('acme');
    expect(normalizeSlug('acme-2')).toBe('acme-2');
  });
});

/**
 * Limit in characters of the encoded URI. Names and addresses can be long, but phones cannot read a
 * QR code of any size.
 */
const MAX_ENCODED_NAME = 240;

/** Cuts between characters as people see them, so that no emoji is split. */
function shorten(name: string): string {
  if (encodeURIComponent(name).length <= MAX_ENCODED_NAME) return name;
  const characters = [...new Intl.Segmenter('und').segment(name)].map(({ segment }) => segment);
  const end = encodeURIComponent('…').length;
  let kept = '';
  for (const character of characters) {
    if (encodeURIComponent(kept + character).length + end > MAX_ENCODED_NAME) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Replaces line breaks and other control characters, which a phone cannot show in a label. */
const toOneLine = (name: string) => name.replace(/\p{Cc}+/gu, ' ').trim();

/**
 * Builds the URI that authenticator apps read from a QR code (Key Uri Format). In the label, a
 * colon separates issuer and account, even if it is percent-encoded, so colons are removed from the
 * label's issuer; the `issuer` parameter keeps them.
 * @param issuer any name, of any length
 * @param account the person's address in its normal form
 */
export function toOtpauthUri(issuer: string, account: string, secret: string): string {
  const name = shorten(toOneLine(issuer));
  const prefix = name.replace(/\s*:\s*/gu, ' ').trim();
  const label = [prefix, account].filter((part) => part !== '').map(encodeURIComponent);
  const parameters = [
    `secret=${secret}`,
    ...(name === '' ? [] : [`issuer=${encodeURIComponent(name)}`]),
  ];
  return `otpauth://totp/${label.join(':')}?${parameters.join('&')}`;
}

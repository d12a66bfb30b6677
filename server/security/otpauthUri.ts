/** Names and addresses can be long; a QR code that phones read cannot. In characters of the encoded URI. */
const MAX_ENCODED_NAME = 240;

/** Cuts between characters as people see them, so that no emoji is halved. */
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

/** A line break or another control character has no place in a label that a phone shows. */
const toOneLine = (name: string) => name.replace(/\p{Cc}+/gu, ' ').trim();

/**
 * The URI that authenticator apps read from a QR code (Key Uri Format). A colon separates the issuer from the account in
 * its label, even a percent-encoded one, so the label's issuer has none; the parameter has the name as it is.
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

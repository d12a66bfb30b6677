/** Whether a part of a URL can be decoded at all. */
function decodes(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** As the driver reads it; a URL may leave the host away and name a socket's folder in its query. */
function parse(url: string): URL | undefined {
  for (const candidate of [url, url.replace('@/', '@socket/')]) {
    if (URL.canParse(candidate)) return new URL(candidate);
  }
  return undefined;
}

const ENCODE =
  'percent-encode special characters in its user and password (@ is %40, / is %2F, # is %23, ? is %3F, % is %25).';

/**
 * Looks for a password that was not encoded. A `/`, `?` or `#` in it ends the part of the URL that passwords are read
 * from: then what is left of it would be taken for a path, and the user for a host. The `@` after it gives that away.
 * @returns a sentence that repeats nothing of the URL, or undefined
 */
export function objectionToDatabaseUrl(url: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(url)) {
    return 'DATABASE_URL must start with postgres:// or postgresql://.';
  }
  // The driver drops some of these, and encodes others anew.
  if (/[\s\u0000-\u001f\u007f]/.test(url)) {
    return `DATABASE_URL holds a space or a line break: ${ENCODE}`;
  }
  const parsed = parse(url);
  if (!parsed) return `DATABASE_URL is no URL: ${ENCODE}`;
  const { pathname, search, hash, username, password } = parsed;
  if (/@/.test(pathname + search + hash)) {
    return `DATABASE_URL has an @ after its host: ${ENCODE}`;
  }
  if (hash !== '' || url.endsWith('#')) return `DATABASE_URL has a #: ${ENCODE}`;
  if (/%(?![0-9a-f]{2})/i.test(url) || ![username, password, pathname].every(decodes)) {
    return `DATABASE_URL has a % that encodes nothing: ${ENCODE}`;
  }
  return undefined;
}

/**
 * Writes `verify-full` for the TLS modes that the driver takes for it. It warns of them, because its next version will check
 * less: the certificate is checked today, and goes on being checked. With `uselibpqcompat=true` a mode means what it means
 * in libpq, and stays.
 * @returns the same URL otherwise
 */
export function spellOutTlsMode(url: string): string {
  if (/[?&]uselibpqcompat=true(?=&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/g, '$1verify-full');
}

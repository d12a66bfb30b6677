/**
 * Describes a URL without the credentials and the parameters, because some parameters also hold a
 * password.
 */
export function describeUrl(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}:${port || '5432'}${pathname}`;
  } catch {
    return 'a URL that cannot be read';
  }
}

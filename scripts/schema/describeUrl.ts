/** Never the credentials, and never the parameters: some hold a password too. */
export function describeUrl(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname}:${port || '5432'}${pathname}`;
  } catch {
    return 'a URL that cannot be read';
  }
}

import { AppError } from '../errors';

/** Returns the weak ETag of a user: their version, and whether they are active. */
export const etagOf = ({ version, active }: { version: number; active: boolean }): string =>
  `W/"${version}${active ? 'a' : 'd'}"`;

const opaque = (tag: string) => tag.trim().replace(/^W\//, '');

/** Returns whether a list of ETags in a header names this one, compared weakly (RFC 9110 8.8.3.2). */
export const namesTag = (header: string, etag: string): boolean =>
  header.split(',').some((tag) => tag.trim() === '*' || opaque(tag) === opaque(etag));

/** @throws AppError VERSION_MISMATCH if If-Match names other versions alone (RFC 7644 3.14) */
export function assertVersion(
  user: { version: number; active: boolean },
  ifMatch: string | undefined,
): void {
  if (ifMatch !== undefined && !namesTag(ifMatch, etagOf(user))) {
    throw new AppError('VERSION_MISMATCH');
  }
}

/**
 * Returns SQL for the moment a number of milliseconds from now, by the database's clock.
 * @param parameter the statement's placeholder for the milliseconds
 */
export const inMs = (parameter: string): string =>
  `clock_timestamp() + make_interval(secs => (${parameter})::float8 / 1000)`;

/** How long to wait before a retry, in milliseconds. The delay doubles with each failure, within these bounds. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
  /** The delay that the receiver asked for; it may exceed `mostMs`. */
  readonly leastMs: number;
}

/** Returns a backoff of half a second that doubles up to a minute. It is longer only if the receiver asks for it. */
export const backoffOf = ({ retryAfterMs }: { retryAfterMs: number }): Backoff => ({
  firstMs: 500,
  mostMs: 60_000,
  leastMs: retryAfterMs,
});

/**
 * Returns SQL for the time of the next try, from the row's `failures` before this one. The parameters are the
 * placeholders for the fields of a {@link Backoff}.
 */
export const retryAt = (first: string, most: string, least: string): string =>
  inMs(
    `greatest(${least}::float8, least(${first}::float8 * 2 ^ least(failures, 20), ${most}::float8))`,
  );

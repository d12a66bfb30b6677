/** A moment so many milliseconds from now, by the database's clock. @param parameter as it stands in the statement */
export const inMs = (parameter: string): string =>
  `clock_timestamp() + make_interval(secs => (${parameter})::float8 / 1000)`;

/** Milliseconds after which what failed is tried again: twice as long after each failure, within these bounds. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
  /** What the receiver asked for, which may be more than the bound. */
  readonly leastMs: number;
}

/** Half a second, then twice as long each time, at most a minute; longer only where the receiver asks for it. */
export const backoffOf = ({ retryAfterMs }: { retryAfterMs: number }): Backoff => ({
  firstMs: 500,
  mostMs: 60_000,
  leastMs: retryAfterMs,
});

/** When to try again, by a row's `failures` before this one. The parameters are those of a {@link Backoff}. */
export const retryAt = (first: string, most: string, least: string): string =>
  inMs(
    `greatest(${least}::float8, least(${first}::float8 * 2 ^ least(failures, 20), ${most}::float8))`,
  );

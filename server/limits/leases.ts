import type { RateLimitScope } from './rateLimitStore';

/** The tokens of one bucket that this node holds. */
export interface Lease {
  /** The tokens that this node may still spend. */
  left: number;
  /** The tokens that were left in the bucket for any node, when it was last asked. */
  shared: number;
  /**
   * When the lease ends, in the milliseconds of this node's monotonic clock: with the window, or as
   * soon as an empty bucket has a token again.
   */
  endsAt: number;
}

export interface Leases {
  /** Returns the lease of a bucket, or undefined if there is none or it has ended. */
  find(bucket: string, now: number): Lease | undefined;
  keep(bucket: string, lease: Lease): void;
}

/** Names a bucket within this process. */
export const bucketOf = ({ scope, subject }: { scope: RateLimitScope; subject: string }): string =>
  `${scope}:${subject}`;

/**
 * Creates the memory of the leases of this node. If it is full, it drops the lease that was used
 * longest ago. The tokens of a dropped lease count as used, so no limit is exceeded.
 */
export function createLeases(most: number): Leases {
  const held = new Map<string, Lease>();
  return {
    find(bucket, now) {
      const lease = held.get(bucket);
      if (!lease) return undefined;
      held.delete(bucket);
      if (now >= lease.endsAt) return undefined;
      // A map is in the order of insertion: the first entry is the one that was used longest ago.
      held.set(bucket, lease);
      return lease;
    },
    keep(bucket, lease) {
      held.delete(bucket);
      if (held.size >= most) held.delete(held.keys().next().value ?? '');
      held.set(bucket, lease);
    },
  };
}

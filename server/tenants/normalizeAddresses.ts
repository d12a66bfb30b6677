import type { RequestContext } from '../context';
import type { Db } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { TenantDeps } from './deps';
import { normalizeEmail } from '../mailAddress';
import {
  findByAddresses,
  listMembershipsOf,
  listUnnormalized,
  markNormalized,
} from './addressStore';
import type { StoredAddress } from './addressStore';
import { changeEmail } from './changeEmail';

const BATCH = 500;

/** A stored address that is not in its normal form; `normal` is null if no mail can reach it. */
interface Deviation extends StoredAddress {
  normal: string | null;
}

/**
 * Reads everybody who is not marked, in batches.
 * @returns those whose stored address is not the normal form
 */
async function findDeviations(
  db: Db,
  fine: (batch: readonly StoredAddress[]) => Promise<void>,
): Promise<Deviation[]> {
  const deviations: Deviation[] = [];
  let after: string | undefined;
  for (;;) {
    const batch = await listUnnormalized(db, { after, limit: BATCH });
    const read = batch.map((row) => ({ ...row, normal: normalizeEmail(row.email) }));
    await fine(read.filter(({ email, normal }) => email === normal));
    deviations.push(...read.filter(({ email, normal }) => email !== normal));
    after = batch.at(-1)?.userId;
    if (batch.length < BATCH) return deviations;
  }
}

/** Finds the normal forms that more than one of these rows would get. */
function findContested(deviations: readonly Deviation[]): ReadonlySet<string | null> {
  const seen = new Set<string | null>();
  const contested = new Set<string | null>();
  for (const { normal } of deviations) (seen.has(normal) ? contested : seen).add(normal);
  return contested;
}

/**
 * Rewrites stored addresses to their normal form. It can run at any time, on several nodes at once,
 * and repeatedly: an address changes only if it is still the one that was read. Two people whose
 * addresses have the same normal form are never merged, and neither is preferred: both rows stay
 * unchanged until an operator renames them.
 * @returns how many addresses were rewritten, and how many rows stay unchanged
 */
export async function normalizeAddresses(
  deps: Pick<TenantDeps, 'db' | 'clock'>,
  ctx: RequestContext,
  via: 'operator' | 'bootstrap',
): Promise<{ changed: number; left: number }> {
  const deviations = await findDeviations(deps.db, (batch) => markNormalized(deps.db, batch));
  const contested = findContested(deviations);
  let changed = 0;
  for (const { userId, email: from, normal: to } of deviations) {
    if (to === null || contested.has(to)) continue;
    const details = { change: 'normalized' as const, via };
    try {
      const done = await deps.db.transaction((tx) =>
        changeEmail(deps, tx, ctx, { userId, from, to }, details),
      );
      if (done) changed += 1;
    } catch (error) {
      // Somebody already has this address in its normal form.
      if (databaseFault(error) !== 'unique_violation') throw error;
    }
  }
  return { changed, left: deviations.length - changed };
}

/**
 * Counts people whose stored address is not in its normal form, among the first batch of unmarked
 * rows.
 */
export async function countDeviations(deps: Pick<TenantDeps, 'db'>): Promise<number> {
  const rows = await listUnnormalized(deps.db, { after: undefined, limit: BATCH });
  return rows.filter(({ email }) => normalizeEmail(email) !== email).length;
}

export interface AddressCollision {
  userId: string;
  email: string;
  /** Null if no mail can reach the stored address. */
  normalForm: string | null;
  /**
   * Other people with the same address: the one who signs in with it, and other rows that wait for
   * a rename.
   */
  sameAs: string[];
  memberships: { tenant: string; staffId: string; status: string }[];
}

/**
 * Lists the people who cannot sign in until an operator renames them, with the reason. It changes
 * nothing.
 */
export async function listCollisions(deps: Pick<TenantDeps, 'db'>): Promise<AddressCollision[]> {
  const deviations = await findDeviations(deps.db, () => Promise.resolve());
  const forms = deviations.flatMap(({ normal }) => normal ?? []);
  const owners = await findByAddresses(deps.db, forms);
  const collisions = deviations.map(({ userId, email, normal }) => {
    const alike = deviations.filter((other) => normal !== null && other.normal === normal);
    const owner = normal === null ? undefined : owners.get(normal);
    const others = alike.map((other) => other.userId).filter((id) => id !== userId);
    return { userId, email, normalForm: normal, sameAs: [...(owner ? [owner] : []), ...others] };
  });
  const stuck = collisions.filter(
    ({ normalForm, sameAs }) => normalForm === null || sameAs.length > 0,
  );
  const memberships = await listMembershipsOf(
    deps.db,
    stuck.map(({ userId }) => userId),
  );
  return stuck.map((row) => ({
    ...row,
    memberships: memberships
      .filter(({ userId }) => userId === row.userId)
      .map(({ tenant, staffId, status }) => ({ tenant, staffId, status })),
  }));
}

import type { SecurityDeps } from '../deps';
import { FAILURE_WINDOW_MS, STEP_UP_FAILURES, STEP_UP_TRIES } from './attempts';
import { BEGUN_LIMITS, TRIES_FOR_STRANGERS, attemptSubject, begunAccountSubject } from './attempts';
import { listClosedCounters, listMembers } from './closedStore';
import type { ClosedCounter, Member } from './closedStore';

/** A password or second factor of a member that guessing has locked. */
export interface ClosedAccount {
  staffId: string;
  email: string;
  /**
   * `password`: locked for devices and networks that its owner has not used. `second_factor`:
   * locked for all codes, or for those of logins that begin with it.
   */
  what: 'password' | 'second_factor';
  /**
   * When the failures that locked it began to be counted; if no time unlocks it, the last of them.
   */
  since: Date;
  /** When it unlocks by itself; null if only a sign-in of its owner or an operator unlocks it. */
  until: Date | null;
}

type ListDeps = Pick<SecurityDeps, 'db' | 'keys' | 'clock' | 'config'>;

/**
 * Maps each counter to its member. A person's codes are counted both for their membership and
 * across tenants.
 */
function subjectsOf(deps: Pick<SecurityDeps, 'keys'>, members: readonly Member[]) {
  const passwords = new Map<string, Member>();
  const codes = new Map<string, Member>();
  const begun = new Map<string, Member>();
  for (const member of members) {
    const subject = attemptSubject(deps.keys, 'email', member.email);
    passwords.set(subject, member);
    begun.set(begunAccountSubject(deps.keys, subject), member);
    codes.set(attemptSubject(deps.keys, 'staff', member.staffId), member);
    codes.set(attemptSubject(deps.keys, 'person', member.userId), member);
  }
  return { passwords, codes, begun };
}

function describe(
  counter: ClosedCounter,
  { staffId, email }: Member,
  what: ClosedAccount['what'],
  mostTries: number,
): ClosedAccount {
  const forGood = counter.tries >= mostTries;
  const until = new Date(counter.windowStartedAt.getTime() + FAILURE_WINDOW_MS);
  const since = forGood ? counter.updatedAt : counter.windowStartedAt;
  return { staffId, email, what, since, until: forGood ? null : until };
}

/** Keeps one entry for each person and kind: of several, the one that lasts longest. */
function keepLongest(accounts: readonly ClosedAccount[]): ClosedAccount[] {
  const longest = new Map<string, ClosedAccount>();
  for (const one of accounts) {
    const key = `${one.staffId}/${one.what}`;
    const other = longest.get(key);
    const longer = !other || (other.until && (!one.until || one.until > other.until));
    if (longer) longest.set(key, one);
  }
  return [...longest.values()];
}

/**
 * Lists the members of a tenant whose password or second factor guessing has locked. The counters
 * hold only keyed hashes, so the hashes of each member are computed; nobody outside the tenant is
 * read.
 */
export async function listClosedAccounts(
  deps: ListDeps,
  tenantId: string,
  members?: readonly Member[],
): Promise<ClosedAccount[]> {
  const { passwords, codes, begun } = subjectsOf(
    deps,
    members ?? (await listMembers(deps.db, tenantId)),
  );
  const began = new Date(deps.clock.now().getTime() - FAILURE_WINDOW_MS);
  const look = async (
    whose: ReadonlyMap<string, Member>,
    what: ClosedAccount['what'],
    limits: { failures: number; tries: number },
  ) => {
    const scope = what === 'password' ? ('account' as const) : ('step_up' as const);
    const query = { scope, subjects: [...whose.keys()] };
    const closed = await listClosedCounters(deps.db, query, limits, began);
    return closed.flatMap((counter) => {
      const member = whose.get(counter.subject);
      return member ? [describe(counter, member, what, limits.tries)] : [];
    });
  };
  const { perAccount } = deps.config.loginFailures;
  const found = [
    ...(await look(passwords, 'password', { failures: perAccount, tries: TRIES_FOR_STRANGERS })),
    ...(await look(codes, 'second_factor', { failures: STEP_UP_FAILURES, tries: STEP_UP_TRIES })),
    ...(await look(begun, 'second_factor', BEGUN_LIMITS)),
  ];
  return keepLongest(found).sort(
    (one, other) => one.email.localeCompare(other.email) || one.what.localeCompare(other.what),
  );
}

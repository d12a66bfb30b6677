import type { Deps } from '../deps';
import { FAILURE_WINDOW_MS, STEP_UP_FAILURES, STEP_UP_TRIES } from './attempts';
import { BEGUN_LIMITS, TRIES_FOR_STRANGERS, attemptSubject, begunAccountSubject } from './attempts';
import { listClosedCounters, listMembers } from './closedStore';
import type { ClosedCounter, Member } from './closedStore';

/** Something of a member's that guessing has closed. */
export interface ClosedAccount {
  staffId: string;
  email: string;
  /**
   * `password`: to devices and networks that its owner has not used; `second_factor`: to all codes, or to those of logins
   * that begin with it.
   */
  what: 'password' | 'second_factor';
  /** When the failures that closed it began to be counted, or the last of them if no time opens it. */
  since: Date;
  /** When it opens by itself; null: not before its owner signs in, or an operator unlocks it. */
  until: Date | null;
}

type ListDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'config'>;

/** Which members each counter is of: one person's codes are counted for their membership, and across tenants. */
function subjectsOf(deps: Pick<Deps, 'keys'>, members: readonly Member[]) {
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

/** One line a person and thing: of two counters the one that lasts longer. */
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
 * Which members of a tenant are closed by guessing: their password to strangers, or their second factor. Counters know
 * keyed hashes alone, so that each member's are computed; nobody outside the tenant is looked at.
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

import { clientAcrossTenants } from '../db/tenantScope';
import type { SecurityDeps } from '../security';
import { attemptSubjects } from '../security';
import { hasAttempts, listCountedPeople, moveAttempts } from './renewAttemptsStore';
import type { CountedPerson } from './renewAttemptsStore';
import { newestKeyOf } from './resealStore';

const NO_ID = '00000000-0000-0000-0000-000000000000';

function pairsOf(keys: SecurityDeps['keys'], { userId, email, staffIds }: CountedPerson) {
  const emails = attemptSubjects(keys, 'email', email);
  const subjects = [
    emails,
    // This is a hash of the subject before it, under the same key.
    emails.map((subject, at) => attemptSubjects(keys, 'begun-account', subject)[at] ?? subject),
    attemptSubjects(keys, 'person', userId),
    ...staffIds.map((staffId) => attemptSubjects(keys, 'staff', staffId)),
  ];
  return subjects.flatMap(([current = '', ...former]) =>
    former.map((each) => ({ former: each, current })),
  );
}

/**
 * Moves the counts of failures and tries from the subjects that former keys gave people to the
 * current ones, so that a rotation gives nobody new tries. The counts of addresses stay, because no
 * address can be computed from its hash; they only last a quarter of an hour. A node whose key is
 * not the newest leaves this to the others.
 */
export async function renewAttempts(deps: Pick<SecurityDeps, 'pool' | 'keys'>): Promise<void> {
  const { pool, keys } = deps;
  if (attemptSubjects(keys, 'email', '').length === 1 || !(await hasAttempts(pool))) return;
  if ((await newestKeyOf(pool, 'TOKEN_HASH_KEY')) !== keys.ids.tokenHash) return;
  let afterId = NO_ID;
  for (;;) {
    const after = afterId;
    const people = await clientAcrossTenants(pool, 'keys', (client) =>
      listCountedPeople(client, after),
    );
    if (people.length === 0) return;
    await moveAttempts(
      pool,
      people.flatMap((person) => pairsOf(keys, person)),
    );
    afterId = people.at(-1)?.userId ?? afterId;
  }
}

import { createChangeReader } from '@/server/accessChanges/changeReader';
import type { Turn } from '@/server/accessChanges/changeReader';
import type { Reading } from '@/server/accessChanges/changeStore';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const READING: Reading = {
  ...{ epoch: 'e', snapshot: '5:5:', xmin: '5', xmax: '5', purgedBelow: '0', sound: true },
  changes: [{ kind: 'user', tenantId: null, userId: 'u', subjectId: null, ageMs: 1 }],
};

it('a listener that fails is left out, and the others get every change', async () => {
  const failures: unknown[] = [];
  const reader = createChangeReader({
    read: () => Promise.resolve(READING),
    onTurn: () => undefined,
    onFailure: (error) => failures.push(error),
    everyMs: 1,
    afterFailureMs: 1,
  });
  let failing = 0;
  reader.listen(() => {
    failing += 1;
    throw new Error('the connection is broken');
  });
  const turns: Turn[] = [];
  reader.listen((turn) => turns.push(turn));
  await pollUntil(
    'three turns are over',
    () => Promise.resolve(turns.length),
    (count) => count >= 3,
  );
  await reader.close();
  expect([failing, failures.length]).toEqual([1, 1]);
  expect(turns.every(({ changes, beganAt }) => changes.length === 1 && beganAt !== undefined)).toBe(
    true,
  );
});

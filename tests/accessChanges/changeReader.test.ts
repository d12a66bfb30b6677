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

/** Opens a reader whose reading for guards waits for the test. */
async function openHeldReader() {
  const held: { resolve: (reading: Reading) => void; reject: (error: Error) => void }[] = [];
  const reader = createChangeReader({
    read: ({ from }) =>
      from === undefined
        ? Promise.resolve(READING)
        : new Promise((resolve, reject) => held.push({ resolve, reject })),
    ...{ onTurn: () => undefined, onFailure: () => undefined, everyMs: 1, afterFailureMs: 1 },
  });
  await new Promise<void>((resolve) => {
    reader.listen(() => resolve());
  });
  return { reader, held };
}

it('a turn waits for the reading of one guard at most, and guards that ask the same share one', async () => {
  const { reader, held } = await openHeldReader();
  const first = reader.readOnce({ from: '1' });
  await pollUntil(
    'the first reading has begun',
    () => Promise.resolve(held.length),
    (count) => count === 1,
  );
  const askedAt = performance.now();
  const others = Array.from({ length: 300 }, (_none, index) =>
    reader.readOnce({ from: index % 2 ? '1' : '2' }),
  );
  for (let done = 0; done < 3; done += 1) {
    await pollUntil(
      'one more reading has begun',
      () => Promise.resolve(held.length),
      (count) => count > done,
    );
    expect(held).toHaveLength(done + 1);
    held[done]?.resolve(READING);
  }
  expect((await first).beganAt).toBeLessThanOrEqual(askedAt);
  // A reading that began before a guard asked may lack what was committed before it asked.
  for (const { beganAt } of await Promise.all(others)) expect(beganAt).toBeGreaterThan(askedAt);
  await reader.close();
  expect(held).toHaveLength(3);
});

it('guards that wait for a silent database fail together, and not one after another', async () => {
  const { reader, held } = await openHeldReader();
  const all = Array.from({ length: 50 }, (_none, index) => reader.readOnce({ from: `${index}` }));
  const outcomes = Promise.allSettled(all);
  await pollUntil(
    'the first reading has begun',
    () => Promise.resolve(held.length),
    (count) => count === 1,
  );
  held[0]?.reject(new Error('the database is silent'));
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true);
  expect(held).toHaveLength(1);
  const next = reader.readOnce({ from: '7' });
  await pollUntil(
    'the next reading has begun',
    () => Promise.resolve(held.length),
    (count) => count === 2,
  );
  held[1]?.resolve(READING);
  await next;
  await reader.close();
});

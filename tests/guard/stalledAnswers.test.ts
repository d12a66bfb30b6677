import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { API_KEY, openFakeGatehouse, openGuard } from '@/tests/helpers/guard/fakeGatehouse';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects garbage again and again while something is awaited. */
async function whileCollecting<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(collectGarbage, 20);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

// Node forgets the signal of a fetch at a garbage collection, so these would wait for ever.
describe('a guard that reads an answer during a garbage collection', () => {
  it('opens another stream when one falls silent', async () => {
    const fake = await openFakeGatehouse();
    const guard = await openGuard(fake);
    await whileCollecting(fake.until('/api/access-changes/stream'));
    await guard.close();
  });

  it('closes at once, although the stream goes on', async () => {
    const fake = await openFakeGatehouse();
    // Silence would be noticed after half a minute only.
    const guard = await openGuard(fake, { maxStalenessMs: 60_000 });
    for (let round = 0; round < 5; round += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
    }
    await guard.close();
    expect(fake.countOf('/api/access-changes/stream')).toBe(1);
  });

  it('refuses with 503 when an introspection begins to be answered, and does not end', async () => {
    const fake = await openFakeGatehouse();
    const guard = await openGuard(fake, { timeoutMs: 500 });
    fake.stalls = true;
    const decision = await whileCollecting(guard.decide(`Bearer ${API_KEY}`));
    expect(decision).toMatchObject({ allowed: false, refusal: { status: 503 } });
  });
});

import {
  ACTIVE,
  openFakeGatehouse,
  openGuard,
  untilStats,
} from '@/tests/helpers/guard/fakeGatehouse';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

describe('onProblem', () => {
  it('is called once in each outage that is longer than the bound', async () => {
    const fake = await openFakeGatehouse();
    const problems: string[] = [];
    const guard = await openGuard(fake, {
      maxStalenessMs: 200,
      onProblem: ({ message }) => problems.push(message),
    });
    for (let outage = 1; outage <= 2; outage += 1) {
      fake.streams = 'refused';
      fake.cut();
      const until = (count: number) =>
        pollUntil(
          'it is reported',
          () => Promise.resolve(problems.length),
          (n) => n === count,
        );
      await until(outage);
      // It goes on, and questions fail too.
      fake.status = 500;
      await guard.decide(`Bearer ${fake.token()}`);
      await fake.until('/api/access-changes/stream');
      fake.status = 200;
      fake.streams = 'open';
      await untilStats(guard, ({ changes }) => changes === 'stream');
      await guard.decide(`Bearer ${fake.token()}`);
      expect(problems).toHaveLength(outage);
    }
    expect(problems[0]).toMatch(/^Gatehouse could not be reached for \d.\d s: .*answered 503$/);
    await guard.close();
  });

  it('names the reason if nothing listens at the address of Gatehouse', async () => {
    const fake = await openFakeGatehouse();
    fake.streams = 'refused';
    const problem = new Promise<Error>((resolve) => {
      const url = 'http://127.0.0.1:1';
      void openGuard(fake, { url, maxStalenessMs: 200, onProblem: resolve });
    });
    expect((await problem).message).toMatch(/ECONNREFUSED|bad port/);
  });

  it('is not called for a stream that ends and is opened again', async () => {
    const fake = await openFakeGatehouse();
    const problems: Error[] = [];
    const guard = await openGuard(fake, { onProblem: (problem) => problems.push(problem) });
    for (let n = 0; n < 3; n += 1) {
      const again = fake.until('/api/access-changes/stream');
      fake.cut();
      await again;
    }
    expect(problems).toEqual([]);
    await guard.close();
  });
});

it('a request waits for a Gatehouse that hangs no longer than the bound, and its answer serves the next one', async () => {
  const fake = await openFakeGatehouse();
  const guard = await openGuard(fake, { maxStalenessMs: 300, timeoutMs: 20_000 });
  let answer: (said: object) => void = () => undefined;
  fake.introspect = () => new Promise((resolve) => (answer = resolve));
  const credential = `Bearer ${fake.token()}`;
  const began = performance.now();
  expect(await guard.decide(credential)).toMatchObject({ refusal: { status: 503 } });
  expect(performance.now() - began).toBeLessThan(10_000);
  answer(ACTIVE);
  await untilStats(guard, ({ kept }) => kept === 1);
  fake.send({ elapsedMs: 1_000_000 });
  await pollUntil(
    'the answer is used',
    () => guard.decide(credential),
    (decision) => decision.allowed && decision.source === 'kept',
  );
  await guard.close();
});

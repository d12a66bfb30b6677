import { sql } from 'drizzle-orm';
import type { Response } from 'supertest';
import { db } from '@/server/db';
import { rateLimits } from '@/server/db/schema';
import { fromAddress, refresh } from '@/tests/helpers/http/authCalls';
import { WINDOW_SEC, openLimitedNode } from '@/tests/helpers/server/limitedNode';

const QUOTA = 20;
const ADDRESS = '198.51.100.1';

/** Sends parallel requests of one address to two nodes that remember nothing. */
async function send(many: number): Promise<Response[]> {
  const nodes = [openLimitedNode({ address: QUOTA }), openLimitedNode({ address: QUOTA })];
  return Promise.all(
    Array.from({ length: many }, (_none, index) =>
      refresh((nodes[index % 2] ?? nodes[0]!).app, 'ghr_unknown', fromAddress(ADDRESS)),
    ),
  );
}

const countPassed = (answers: readonly Response[]) =>
  answers.filter(({ status }) => status === 401).length;

/** Moves the end of every window to that many seconds before now. */
const endWindow = (secondsAgo: number) =>
  db.execute(sql`UPDATE rate_limits SET refills_at = now() - ${secondsAgo} * interval '1 second'`);

beforeEach(() => db.delete(rateLimits));

describe('an address that used up its quota of 20', () => {
  beforeEach(async () => {
    expect(countPassed(await send(QUOTA + 10))).toBe(QUOTA);
  });

  it('gets no second quota at the end of the window', async () => {
    await endWindow(0);
    expect(countPassed(await send(30))).toBe(1);
  });

  it('gets it back as the window slides: ten after half of the next one', async () => {
    // With a token every 180 s, half a token keeps the test away from the edge.
    await endWindow(WINDOW_SEC / 2 - 90);
    const answers = await send(30);
    expect(countPassed(answers)).toBe(10);
    const refused = answers.filter(({ status }) => status === 429);
    for (const { headers } of refused) {
      const wait = Number(headers['retry-after']);
      expect(wait).toBeGreaterThan(45);
      expect(wait).toBeLessThanOrEqual(90);
      expect(headers['ratelimit']).toBe(`"address";r=0;t=${wait}`);
    }
  });

  it('has all of it after a window without requests, by the clock of the database', async () => {
    await endWindow(WINDOW_SEC);
    expect(countPassed(await send(30))).toBe(QUOTA);
  });
});

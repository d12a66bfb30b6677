import { randomUUID } from 'node:crypto';
import type { ReadyConfig } from '@/server/config';
import { db } from '@/server/db';
import { rateLimits } from '@/server/db/schema';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { fromAddress, login, me } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { quotas } from '@/tests/helpers/server/limitedNode';
import { openNode } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const FLOOD = 150;
const times = <T>(many: number, make: (index: number) => T): T[] =>
  Array.from({ length: many }, (_none, index) => make(index));

const openSmallNode = (settings: Partial<ReadyConfig> = {}) =>
  openNode((config) => ({
    ...config,
    ...quotas({ address: 300, account: 600, tenant: 50 }),
    hashConcurrency: 1,
    hashQueueLimit: 400,
    ...settings,
  }));

describe("a flood of sign-ins at one tenant's accounts, from 150 addresses", () => {
  it('lets the sign-ins of another tenant, from new places, overtake it', async () => {
    const { app } = openSmallNode();
    const domain = `${randomUUID()}.example`;
    const people = await Promise.all(
      times(4, () => seedTestUserAndToken({ email: `${randomUUID()}@${domain}` })),
    );
    const answered: string[] = [];
    const note = (who: string) => (answer: { status: number }) => {
      answered.push(`${who} ${answer.status}`);
    };
    const attacked = await seedTestUserAndToken({ email: `owner@${randomUUID()}.example` });
    const [, attackedDomain = ''] = attacked.email.split('@');
    const flood = times(FLOOD, (index) =>
      login(
        app,
        { email: `${randomUUID()}@${attackedDomain}`, password: 'not the right password' },
        fromAddress(`203.0.113.${index + 1}`),
      ).then(note('flood')),
    );
    const calm = people.map((person, index) =>
      login(app, person, fromAddress(`198.51.100.${index + 1}`)).then(note('calm')),
    );
    await Promise.all([...flood, ...calm]);
    expect(answered.filter((one) => one === 'calm 200')).toHaveLength(people.length);
    // Without turns by domain the four would come after all of the flood.
    const behind = answered.length - 1 - answered.lastIndexOf('calm 200');
    expect(behind).toBeGreaterThan(FLOOD / 2);
  });
});

describe("a flood of sign-ins at one tenant's accounts that a slow database holds up", () => {
  it('lets the sign-in of another tenant overtake it before the passwords are hashed', async () => {
    const { app, deps } = openSmallNode({ databasePoolSize: 2, hashQueueLimit: 60 });
    const owner = await seedTestUserAndToken({ email: `owner@${randomUUID()}.example` });
    await db.delete(rateLimits);
    const arrived = (many: number) =>
      pollUntil(
        `${many} sign-ins have arrived`,
        () => db.$count(rateLimits),
        (found) => found === many,
      );
    const domain = `${randomUUID()}.example`;
    let before = 0;
    let signedIn: number | undefined;
    const lookUps = jest.spyOn(deps.pool, 'connect');
    await withConnection(process.env['DATABASE_URL'] ?? '', async (holder) => {
      // No sign-in can read the failures of its address now.
      await holder.query('BEGIN; LOCK TABLE failed_attempts IN ACCESS EXCLUSIVE MODE');
      const flood = times(FLOOD, (index) =>
        login(
          app,
          { email: `${randomUUID()}@${domain}`, password: 'not the right password' },
          fromAddress(`203.0.113.${index + 1}`),
        ).then(({ status }) => {
          expect([401, 503]).toContain(status);
          if (signedIn === undefined) before += 1;
        }),
      );
      await arrived(FLOOD);
      const calm = login(app, owner, fromAddress('198.51.100.1')).then(({ status }) => {
        signedIn = status;
      });
      await arrived(FLOOD + 1);
      // Without turns all of them would wait for a connection, first come, first served.
      expect(lookUps.mock.calls.length).toBeLessThan(5);
      before = 0;
      await holder.query('ROLLBACK');
      await Promise.all([...flood, calm]);
    });
    expect(signedIn).toBe(200);
    expect(before).toBeLessThan(FLOOD / 3);
  });
});

describe('a flood of requests of one tenant', () => {
  it('is refused past its quota, while another tenant signs in and works', async () => {
    const { app } = openSmallNode();
    const [loud, quiet] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const flood = times(200, () => me(app, loud.accessToken).then(({ status }) => status));
    const signedIn = await login(app, quiet, fromAddress('198.51.100.9'));
    const works = await me(app, signedIn.body.accessToken as string);
    expect([signedIn.status, works.status]).toStrictEqual([200, 200]);
    const statuses = await Promise.all(flood);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(statuses.filter((status) => status === 429)).toHaveLength(150);
  });
});

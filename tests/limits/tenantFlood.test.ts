import { randomUUID } from 'node:crypto';
import { login, me } from '@/tests/helpers/http/authCalls';
import { fromAddress } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { quotas } from '@/tests/helpers/server/limitedNode';
import { openNode } from '@/tests/helpers/server/openNode';

const FLOOD = 150;
const times = <T>(many: number, make: (index: number) => T): T[] =>
  Array.from({ length: many }, (_none, index) => make(index));

const openSmallNode = () =>
  openNode((config) => ({
    ...config,
    ...quotas({ address: 300, account: 600, tenant: 50 }),
    hashConcurrency: 1,
    hashQueueLimit: 400,
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

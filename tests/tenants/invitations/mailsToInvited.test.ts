import request from 'supertest';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import {
  INVITATIONS,
  inviteByLink,
  newAddress,
  seedInvited,
  tokenOf,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';

let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;
beforeAll(async () => {
  const server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

const outcomes = (all: { status: number }[]) =>
  all.map(({ status }) => status).sort((one, another) => one - another);

describe('an address that is invited again and again', () => {
  it('gets eight invitations of a tenant a day by mail, over all nodes', async () => {
    const administrator = await seedAdministrator();
    const body = { email: newAddress(), roles: ['member'], delivery: 'mail' };
    const first = await as(node.app, administrator).post(INVITATIONS, body);
    const path = `${INVITATIONS}/${first.body.id}/resend`;
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        as(index % 2 ? node.app : other.app, administrator).post(path, {}),
      ),
    );
    expect(outcomes([first, ...all])).toEqual([
      ...Array<number>(7).fill(200),
      201,
      ...Array<number>(5).fill(429),
    ]);
    const refused = all.find(({ status }) => status === 429);
    expect(refused?.body.error).toBe('TOO_MANY_ATTEMPTS');
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    const byLink = await as(node.app, administrator).post(path, { delivery: 'link' });
    expect(byLink.status).toBe(200);
    const elsewhere = await as(node.app, await seedAdministrator()).post(INVITATIONS, body);
    expect(elsewhere.status).toBe(201);
  });

  it('gets eight codes of a tenant a day, however often the link is renewed', async () => {
    const { administrator, invited } = await seedInvited(node.app);
    let { token } = invited;
    const statuses: number[] = [];
    for (let asked = 1; asked <= 9; asked += 1) {
      const res = await request(node.app).post(`/api/invitations/${token}/code`);
      statuses.push(res.status);
      const path = `${INVITATIONS}/${invited.id}/resend`;
      token = tokenOf(String((await as(other.app, administrator).post(path, {})).body.link));
    }
    expect(statuses).toEqual([...Array<number>(8).fill(202), 429]);
    const { email } = invited;
    const elsewhere = await inviteByLink(node.app, await seedAdministrator(), { email });
    await request(node.app).post(`/api/invitations/${elsewhere.token}/code`).expect(202);
  });
});

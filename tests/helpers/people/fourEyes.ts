import type { Express } from 'express';
import type { SeededAuth } from '../seedAuth';
import { seedAdministrator } from './administrator';
import { as } from './officer';

/** Creates a tenant with this many administrators. */
export async function seedAdministrators(count: number): Promise<SeededAuth[]> {
  const first = await seedAdministrator();
  const { tenantId } = first;
  const others = Array.from({ length: count - 1 }, () => seedAdministrator({ tenantId }));
  return [first, ...(await Promise.all(others))];
}

/** Switches the approvals of a tenant on, as one of its administrators. */
export async function demandApprovals(app: Express, who: { token: string }): Promise<void> {
  await as(app, who).put('/api/tenants/current/policy', { needsApproval: true }).expect(200);
}

/** Makes the requests about a change that needs the approval of another administrator. */
export async function decideTogether(app: Express): Promise<void> {
  const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
  await demandApprovals(app, ann);
  const { body } = await as(app, ann).put('/api/tenants/current/policy', { needsApproval: false });
  for (const path of ['', '?status=open&limit=1', `/${String(body.approval.id)}`]) {
    expect((await as(app, bob).get(`/api/tenants/approvals${path}`)).status).toBe(200);
  }
  const approve = `/api/tenants/approvals/${String(body.approval.id)}/approve`;
  expect((await as(app, bob).post(approve, {})).status).toBe(200);
}

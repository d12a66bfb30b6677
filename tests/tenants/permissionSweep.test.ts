import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { auditOf } from '@/tests/helpers/database/authRows';
import { AREAS } from '@/tests/helpers/isolation/areas';
import type { Sweep } from '@/tests/helpers/isolation/aim';
import { inventIds } from '@/tests/helpers/isolation/inventIds';
import { prepareSnapshot } from '@/tests/helpers/isolation/targetSnapshot';
import { HOME } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const sweeps: Sweep = Object.assign({}, ...Object.values(AREAS));
const table = routeTable(deps);
/** No access token opens the routes of SCIM: tests/scim/scimKeys.test.ts asks them with keys. */
const forPeople = table.filter(({ guards }) => !guards.some(({ keys }) => keys === 'scim'));
const required = forPeople.flatMap(({ method, path, guards }) =>
  guards.flatMap(({ permission }) => (permission ? [{ method, path, permission }] : [])),
);

/** Sends a request with everything in order but the permission: the proof and the body are there. */
async function send(
  { method, path }: (typeof required)[number],
  me: Awaited<ReturnType<typeof seedTestUserAndToken>>,
): Promise<request.Response> {
  const [aim] = sweeps[`${method} ${path}`]?.(inventIds(), me as unknown as Traveller) ?? [];
  return request(app)
    [method](aim?.path ?? path)
    .query(aim?.query ?? {})
    .set({ ...HOME, authorization: `Bearer ${me.token}`, 'x-stepup-test-bypass': '1' })
    .send(aim?.body);
}

const titled = required.map(
  (route) => [`${route.method} ${route.path}`, route.permission, route] as const,
);

it.each(titled)(
  '%s refuses a member who holds every permission but %s with 403, and changes nothing',
  async (_route, permission, route) => {
    const others = BUILT_IN_PERMISSIONS.filter((one) => one !== permission);
    const me = await seedTestUserAndToken({ permissions: [...others, `app:${permission}`] });
    const snapshot = await prepareSnapshot();
    const target = { ...inventIds(), tenantId: me.tenantId, userId: me.userId };
    const before = await snapshot(target);
    const refused = await send(route, me);
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(refused.body.detail).toContain(permission);
    const after = await snapshot(target);
    // The refusal itself is recorded. The check of a session may write when it was last seen.
    const unchanging = (rows: typeof before) => ({ ...rows, audit_logs: [], user_sessions: [] });
    expect(unchanging(after)).toEqual(unchanging(before));
    expect(after['audit_logs']).toHaveLength((before['audit_logs']?.length ?? 0) + 1);
    expect(await auditOf('PERMISSION_DENIED', me.tenantId)).toMatchObject([
      { actor: me.staffId, details: { permission } },
    ]);
  },
);

it.each(titled)(
  '%s refuses nobody who holds %s for a permission',
  async (_route, permission, route) => {
    const me = await seedTestUserAndToken({ permissions: [permission] });
    const admitted = await send(route, me);
    expect(admitted.body.detail ?? '').not.toContain('This needs the permission');
    expect(admitted.status).not.toBe(401);
  },
);

it('every route of a tenant and of compliance asks for a permission, but the one that describes the own tenant', () => {
  const open = table.filter(({ guards }) => !guards.some(({ permission }) => permission));
  expect(open.map(({ path }) => path).filter((path) => path.startsWith('/api/compliance'))).toEqual(
    [],
  );
  expect(
    open
      .filter(({ path }) => path.startsWith('/api/tenants'))
      .map(({ method, path }) => `${method} ${path}`),
  ).toEqual(['get /api/tenants/current']);
});

import type { Response } from 'supertest';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import type { ImpersonationScope } from '@/server/db/schema';
import { IMPERSONATED_ROUTES } from '@/server/mail';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { AREAS } from '@/tests/helpers/isolation/areas';
import type { Sweep } from '@/tests/helpers/isolation/aim';
import { inventIds } from '@/tests/helpers/isolation/inventIds';
import { impersonate, seedPair, setRules } from '@/tests/helpers/people/impersonators';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const table = routeTable(deps);
const sweeps: Sweep = Object.assign({}, ...Object.values(AREAS));

/**
 * Every route has to be decided about here. `read` and `act` are open to somebody who acts as another
 * member, `act` in the scope full alone; every other one that takes an access token is closed.
 */
const READ = `
  get /api/auth/me
  get /api/security/locked-accounts
  get /api/security/risk-decisions
  get /api/security/risk-decisions/:id
  get /api/tenants/staff
  get /api/tenants/staff/:id
  get /api/tenants/staff/:id/sessions
  get /api/tenants/current
  get /api/tenants/permissions
  get /api/tenants/roles
  get /api/tenants/roles/:id
  get /api/tenants/approvals
  get /api/tenants/approvals/:id
  get /api/tenants/invitations
  get /api/tenants/invitations/:id
  get /api/compliance/audit-logs
  get /api/compliance/audit-logs/:id`;
const ACT = `
  delete /api/tenants/invitations/:id`;
const STOP = `
  post /api/security/impersonation/stop`;

/** Passwords, factors, the address, keys, policies, exports, own sessions and data, and impersonation itself. */
const CLOSED = `
  get /api/auth/sessions
  delete /api/auth/sessions/:id
  post /api/auth/logout
  post /api/auth/logout-all
  post /api/auth/password
  put /api/auth/me
  get /api/auth/me/events
  post /api/auth/me/data
  get /api/auth/me/impersonation-consent
  put /api/auth/me/impersonation-consent
  delete /api/auth/me/impersonation-consent
  post /api/auth/email
  post /api/auth/me/own-proof
  post /api/auth/me/own-proof/link
  post /api/security/step-up/start
  post /api/security/step-up/verify
  post /api/security/totp/enroll
  post /api/security/totp/confirm
  post /api/security/passkeys/register/start
  post /api/security/passkeys/register/finish
  get /api/security/factors
  delete /api/security/factors/:id
  post /api/security/recovery-codes
  get /api/security/policy
  put /api/security/policy
  post /api/security/policy/simulate
  get /api/security/ip-rules
  put /api/security/ip-rules
  post /api/security/ip-rules
  post /api/security/ip-rules/simulate
  post /api/security/ip-rules/trial/confirm
  delete /api/security/ip-rules/trial
  delete /api/security/ip-rules/suspension
  put /api/security/ip-rules/:id
  delete /api/security/ip-rules/:id
  get /api/tenants/sso
  get /api/tenants/sso/:id
  post /api/tenants/sso
  put /api/tenants/sso/:id
  delete /api/tenants/sso/:id
  post /api/tenants/sso/:id/secret
  post /api/tenants/sso/:id/try
  get /api/tenants/sso/:id/tries/:attempt
  get /api/tenants/staff/:id/identities
  delete /api/tenants/staff/:id/identities/:identity
  get /api/auth/me/identities
  post /api/auth/me/identities/start
  post /api/auth/me/identities/complete
  delete /api/auth/me/identities/:id
  get /api/tenants/domains
  post /api/tenants/domains
  post /api/tenants/domains/:id/check
  delete /api/tenants/domains/:id
  put /api/security/risk-decisions/:id/verdict
  post /api/security/impersonation/start
  post /api/security/impersonation/token
  get /api/security/impersonation/policy
  put /api/security/impersonation/policy
  post /api/tenants/staff/force-logout
  delete /api/tenants/staff/:id
  put /api/tenants/staff/:id/roles
  put /api/tenants/staff/:id/end
  post /api/tenants/staff/:id/disable
  post /api/tenants/staff/:id/enable
  post /api/tenants/staff/:id/reset-factors
  post /api/tenants/staff/:id/force-logout
  delete /api/tenants/staff/:id/sessions/:sessionId
  put /api/tenants/current
  get /api/tenants/current/policy
  put /api/tenants/current/policy
  post /api/tenants/roles
  put /api/tenants/roles/:id
  delete /api/tenants/roles/:id
  get /api/tenants/api-keys
  get /api/tenants/api-keys/:id
  post /api/tenants/api-keys
  put /api/tenants/api-keys/:id
  post /api/tenants/api-keys/:id/rotate
  delete /api/tenants/api-keys/:id
  post /api/tenants/approvals/:id/approve
  post /api/tenants/approvals/:id/refuse
  post /api/tenants/approvals/:id/withdraw
  post /api/tenants/invitations
  post /api/tenants/invitations/:id/resend
  post /api/invitations/:token/accept
  get /api/compliance/audit-logs/:id/proof
  get /api/compliance/checkpoints
  get /api/compliance/checkpoints/latest
  get /api/compliance/consistency
  get /api/compliance/keys
  post /api/compliance/export/bundle
  post /api/compliance/export/security-events`;

const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
const DECIDED: Readonly<Record<string, readonly string[]>> = {
  read: linesOf(READ),
  act: linesOf(ACT),
  stop: linesOf(STOP),
  closed: linesOf(CLOSED),
};

const named = table.map((route) => ({ ...route, name: `${route.method} ${route.path}` }));
/** The routes that know somebody by an access token. */
const withToken = named.filter(({ guards }) =>
  guards.some(
    ({ bearer, keys, scope }) => bearer && keys !== 'service' && keys !== 'scim' && !scope,
  ),
);

describe('every route that takes an access token', () => {
  it('is decided about for impersonations, once, and marked like that', () => {
    const decisions = withToken.map(({ name }) => [
      name,
      Object.keys(DECIDED).filter((kind) => DECIDED[kind]?.includes(name)),
    ]);
    const marks = withToken.map(({ name, impersonable }) => [name, [impersonable ?? 'closed']]);
    expect(decisions).toEqual(marks);
    const known = withToken.map(({ name }) => name);
    expect(
      Object.values(DECIDED)
        .flat()
        .filter((name) => !known.includes(name)),
    ).toEqual([]);
  });

  it('that asks for a step-up is closed, and none is read by another method than GET', () => {
    const open = named.filter(({ impersonable }) => impersonable !== undefined);
    expect(open.filter(({ guards }) => guards.some(({ stepUp }) => stepUp))).toEqual([]);
    const reads = open.filter(({ impersonable }) => impersonable === 'read');
    expect(reads.filter(({ method }) => method !== 'get')).toEqual([]);
  });

  it('and is open has words in the mail that says what was opened', () => {
    const open = named.filter(({ impersonable }) => impersonable && impersonable !== 'stop');
    const shown = open.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(Object.keys(IMPERSONATED_ROUTES).toSorted()).toEqual(shown.toSorted());
  });
});

describe.each(['read_only', 'full'] as const)('in the scope %s', (scope: ImpersonationScope) => {
  let token: string;

  beforeAll(async () => {
    const pair = await seedPair(BUILT_IN_PERMISSIONS, BUILT_IN_PERMISSIONS);
    await setRules(app, pair.actor.tenantId, { mode: 'full' });
    ({ token } = await impersonate(app, pair, { scope }));
  });

  async function send({ method, path, name }: (typeof named)[number]): Promise<Response> {
    const [aim] = sweeps[name]?.(inventIds(), { secret: 'A'.repeat(32) } as Traveller) ?? [];
    return request(app)
      [method](aim?.path ?? path)
      .query(aim?.query ?? {})
      .set({ authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' })
      .send(aim?.body);
  }

  it('each route refuses what it is not open for, and nothing else', async () => {
    const wrong: unknown[] = [];
    for (const route of withToken.filter(({ impersonable }) => impersonable !== 'stop')) {
      const { status, body } = await send(route);
      const { impersonable: mark } = route;
      const isOpen = mark === 'read' || (mark === 'act' && scope === 'full');
      const isRefused = status === 403 && body.error === 'IMPERSONATION_REFUSED';
      if (isOpen ? isRefused || status === 401 : !isRefused) wrong.push([route.name, status, body]);
    }
    expect(wrong).toEqual([]);
  });

  it('no route for programs takes the token for a key', async () => {
    const forPrograms = named.filter(({ guards }) =>
      guards.some(({ keys, scope: needs }) => keys === 'service' || keys === 'scim' || needs),
    );
    expect(forPrograms.length).toBeGreaterThan(5);
    for (const route of forPrograms) expect((await send(route)).status).toBe(401);
  });
});

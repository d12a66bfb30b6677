import { z } from 'zod';
import { assertRowId } from '../db/ids';
import { violatedConstraint } from '../db/pgErrors';
import { AppError } from '../errors';
import { json } from '../http/answers';
import { contextOf, serviceOf } from '../http/request';
import { endpoint, pageFields } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import {
  createTenant,
  listTenantPage,
  restoreTenant,
  showTenant,
  suspendTenant,
  tenantInput,
} from '../tenants';
import type { ServiceDeps } from './deps';
import { ownServiceKey, serviceTenant, serviceTenantPage } from './serviceAnswers';

const params = z.object({ id: z.string() });
const ticket = ticketField.optional();
const createBody = z.strictObject({ ...tenantInput.shape, ticket });
const changeBody = z.strictObject({ ticket }).optional();
/** Strict, so that a misspelt filter is an error and does not return everything. */
const listQuery = z.strictObject(pageFields);

/** Creates a tenant. @throws AppError TENANT_SLUG_TAKEN */
async function create(
  deps: ServiceDeps,
  ctx: ReturnType<typeof contextOf>,
  input: { slug: string; name: string },
): Promise<string> {
  try {
    return await deps.db.transaction((tx) => createTenant(deps, tx, ctx, input, 'service'));
  } catch (cause) {
    if (violatedConstraint(cause) !== 'tenants_slug_unique') throw cause;
    throw new AppError('TENANT_SLUG_TAKEN', { cause });
  }
}

/** Makes the endpoint that suspends or resumes a tenant. Repeated, it ends the access that is left. */
const statusEndpoint = (deps: ServiceDeps, summary: string, change: typeof suspendTenant) =>
  endpoint({
    summary,
    params,
    body: changeBody,
    responses: { 200: json('The tenant', serviceTenant) },
    errors: ['NOT_FOUND', 'TENANT_DELETED', 'CONFLICT: the tenant changed at the same time'],
    async handle(req, res, { params: { id: tenantId }, body }) {
      assertRowId(tenantId);
      await change(deps, contextOf(req, body?.ticket), { tenantId });
      res.json(await showTenant(deps, { tenantId }));
    },
  });

/** The routes of the team's programs; the route table holds the scopes. */
export const serviceRoutes = (deps: ServiceDeps) => ({
  serviceSelf: endpoint({
    summary: 'The name, the scopes and the expiry of the service key',
    responses: { 200: json('The key', ownServiceKey) },
    errors: [],
    handle(req, res) {
      const { keyId: id, name, scopes, expiresAt } = serviceOf(req);
      res.json({ id, name, scopes: [...scopes], expiresAt });
    },
  }),
  serviceTenants: endpoint({
    summary: 'All tenants, in the order of their slugs',
    query: listQuery,
    responses: { 200: json('A page of tenants', serviceTenantPage) },
    errors: [],
    async handle(_req, res, { query }) {
      res.json(await listTenantPage(deps.db, query));
    },
  }),
  createTenant: endpoint({
    summary: 'Create a tenant, without members',
    body: createBody,
    responses: { 201: json('The tenant', serviceTenant) },
    errors: ['TENANT_SLUG_TAKEN'],
    async handle(req, res, { body: { ticket: reference, ...input } }) {
      const tenantId = await create(deps, contextOf(req, reference), input);
      res.status(201).json(await showTenant(deps, { tenantId }));
    },
  }),
  suspendTenant: statusEndpoint(
    deps,
    'Suspend a tenant: nobody can sign in to it, and the access of all its members ends',
    suspendTenant,
  ),
  resumeTenant: statusEndpoint(
    deps,
    'Let the members of a suspended tenant sign in again',
    restoreTenant,
  ),
});

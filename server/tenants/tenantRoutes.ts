import { z } from 'zod';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { json } from '../http/answers';
import { endpoint } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { tenantInput } from './createTenant';
import type { TenantDeps } from './deps';
import { renameTenant } from './renameTenant';
import { showCurrentTenant } from './showTenant';
import { currentTenant } from './tenantAnswers';

const renameBody = z.strictObject({
  name: tenantInput.shape.name,
  ticket: ticketField.optional(),
});

/** The routes of the caller's own tenant; the route table holds their guards. */
export const tenantRoutes = (deps: TenantDeps) => ({
  currentTenant: endpoint({
    summary: "The caller's tenant; with TENANT_STAFF_VIEW also how many members it has",
    responses: { 200: json('The tenant', currentTenant) },
    errors: ['NOT_FOUND: the tenant was deleted'],
    async handle(req, res) {
      res.json(await showCurrentTenant(deps, principalOf(req)));
    },
  }),
  renameCurrentTenant: endpoint({
    summary: "Rename the caller's tenant; its slug stays",
    body: renameBody,
    responses: { 200: json('The tenant', currentTenant) },
    errors: ['NOT_FOUND: the tenant was deleted'],
    async handle(req, res, { body: { ticket, name } }) {
      await renameTenant(deps, contextOf(req, ticket), { name }, provenCallerOf(req));
      res.json(await showCurrentTenant(deps, principalOf(req)));
    },
  }),
});

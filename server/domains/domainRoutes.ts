import { z } from 'zod';
import { json, noBody } from '../http/answers';
import { contextOf, principalOf } from '../http/request';
import { endpoint } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { addDomain } from './addDomain';
import { checkDomain } from './checkDomain';
import type { DomainDeps } from './deps';
import { shownDomain, shownDomains } from './domainAnswers';
import { domainField } from './domainName';
import { removeDomain } from './removeDomain';
import { showDomain, showDomains } from './showDomains';

const params = z.object({ id: z.string() });
const addBody = z.strictObject({ domain: domainField, ticket: ticketField.optional() });

/** The routes by which a tenant proves its domains; the route table holds their guards. */
export const domainRoutes = (deps: DomainDeps) => ({
  domains: endpoint({
    summary: "The tenant's domains, with the DNS records that prove them",
    responses: { 200: json('All domains', shownDomains) },
    errors: [],
    async handle(req, res) {
      res.json(await showDomains(deps, principalOf(req).tenantId));
    },
  }),
  addDomain: endpoint({
    summary: 'Add a domain, to prove it by a DNS record',
    body: addBody,
    responses: { 201: json('The domain, which is not proven yet', shownDomain) },
    errors: ['DOMAIN_NOT_ALLOWED', 'DOMAIN_EXISTS', 'TOO_MANY_DOMAINS'],
    async handle(req, res, { body: { domain, ticket } }) {
      const added = await addDomain(deps, contextOf(req, ticket), principalOf(req), domain);
      res.status(201).json(showDomain(added));
    },
  }),
  checkDomain: endpoint({
    summary: 'Look for the DNS record of a domain now',
    params,
    responses: { 200: json('The domain after the look', shownDomain) },
    errors: ['NOT_FOUND'],
    async handle(req, res, input) {
      const row = await checkDomain(deps, contextOf(req), principalOf(req), input.params.id);
      res.json(showDomain(row));
    },
  }),
  removeDomain: endpoint({
    summary: 'Remove a domain, and the proof of it',
    params,
    responses: { 204: noBody('The domain is removed') },
    errors: ['NOT_FOUND'],
    async handle(req, res, input) {
      await removeDomain(deps, contextOf(req), principalOf(req), input.params.id);
      res.status(204).end();
    },
  }),
});

import { json, noBody } from '../http/answers';
import { contextOf, principalOf } from '../http/request';
import { endpoint } from '../http/routeTable';
import { changeConnection } from './changeConnection';
import { shownConnection, shownConnections } from './connectionAnswers';
import { changeBody, connectionParams, createBody, secretBody } from './connectionInput';
import { createConnection } from './createConnection';
import { deleteConnection } from './deleteConnection';
import type { SsoDeps } from './deps';
import { rotateClientSecret } from './rotateClientSecret';
import { listConnections, showConnection } from './showConnections';

const PROVIDER_ERRORS = [
  'SSO_ISSUER_REFUSED: with the rule',
  'SSO_DISCOVERY_FAILED: with the rule',
  'SSO_PROVIDER_REFUSED: with the field of the discovery document, and the rule',
  'SSO_CONNECTION_EXISTS',
] as const;

const readRoutes = (deps: SsoDeps) => ({
  ssoConnections: endpoint({
    summary: "The tenant's connections to identity providers, the oldest first",
    responses: { 200: json('All connections, without their secrets', shownConnections) },
    errors: [],
    async handle(req, res) {
      res.json({ connections: await listConnections(deps, principalOf(req).tenantId) });
    },
  }),
  ssoConnection: endpoint({
    summary: 'One connection to an identity provider',
    params: connectionParams,
    responses: { 200: json('The connection, without its secret', shownConnection) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      const { tenantId } = principalOf(req);
      res.json(await showConnection(deps, deps.db, { tenantId, id: params.id }));
    },
  }),
});

/** The routes by which a tenant connects itself to its identity providers. */
export const ssoRoutes = (deps: SsoDeps) => ({
  ...readRoutes(deps),
  createSsoConnection: endpoint({
    summary: 'Connect the tenant to an OpenID Connect provider',
    body: createBody,
    responses: { 201: json('The connection, without its secret', shownConnection) },
    errors: [...PROVIDER_ERRORS, 'TOO_MANY_SSO_CONNECTIONS'],
    async handle(req, res, { body }) {
      const made = await createConnection(deps, contextOf(req), principalOf(req), body);
      res.status(201).json(made);
    },
  }),
  changeSsoConnection: endpoint({
    summary: 'Change a connection; with its issuer, read the discovery document again',
    params: connectionParams,
    body: changeBody,
    responses: { 200: json('The connection, without its secret', shownConnection) },
    errors: [...PROVIDER_ERRORS, 'NOT_FOUND'],
    async handle(req, res, { params: { id }, body }) {
      const change = { id, ...body };
      res.json(await changeConnection(deps, contextOf(req), principalOf(req), change));
    },
  }),
  deleteSsoConnection: endpoint({
    summary: 'Delete a connection to an identity provider, and its secrets',
    params: connectionParams,
    responses: { 204: noBody('Deleted') },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params: { id } }) {
      const authority = { via: 'api' as const, principal: principalOf(req) };
      await deleteConnection(deps, contextOf(req), authority, id);
      res.status(204).end();
    },
  }),
  rotateSsoSecret: endpoint({
    summary: 'Give a connection a new client secret',
    params: connectionParams,
    body: secretBody,
    responses: { 200: json('The connection, without its secret', shownConnection) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params: { id }, body }) {
      const next = { id, ...body };
      res.json(await rotateClientSecret(deps, contextOf(req), principalOf(req), next));
    },
  }),
});

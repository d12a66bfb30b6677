import { z } from 'zod';
import { json, noBody } from '../../http/answers';
import { contextOf, principalOf, provenCallerOf } from '../../http/request';
import { endpoint, pageFields } from '../../http/routeTable';
import { ticketField } from '../../http/ticketField';
import type { TenantDeps } from '../deps';
import { apiKeyPage, issuedApiKey, shownApiKey } from './apiKeyAnswers';
import { API_KEY_STATUSES } from './apiKeyStore';
import { changeApiKey } from './changeApiKey';
import { apiKeyInput, createApiKey, newApiKeyInput } from './createApiKey';
import { listApiKeys, showApiKey } from './listApiKeys';
import { revokeApiKey } from './revokeApiKey';
import { rotateApiKey, rotationInput } from './rotateApiKey';

const params = z.object({ id: z.string() });
/** Strict, so that a misspelt filter is an error and does not return everything. */
const listQuery = z.strictObject({
  status: z.enum(API_KEY_STATUSES).optional().describe('The status of the key'),
  holder: z.uuid().optional().describe('The member for whom the key acts'),
  ...pageFields,
});
const ticket = ticketField.optional();
const createBody = newApiKeyInput.extend({ ticket });
/** Without the default: a field that is not sent stays as it is. */
const changeBody = apiKeyInput
  .extend({ addresses: apiKeyInput.shape.addresses.unwrap() })
  .partial()
  .extend({ ticket });
const rotateBody = rotationInput.extend({ ticket });

const readRoutes = (deps: TenantDeps) => ({
  apiKeys: endpoint({
    summary: 'The API keys of the tenant, newest first, without their text',
    query: listQuery,
    responses: { 200: json('A page of keys', apiKeyPage) },
    errors: [],
    async handle(req, res, { query }) {
      res.json(await listApiKeys(deps, principalOf(req).tenantId, query));
    },
  }),
  apiKey: endpoint({
    summary: 'One API key, without its text',
    params,
    responses: { 200: json('The key', shownApiKey) },
    errors: ['NOT_FOUND'],
    async handle(req, res, input) {
      res.json(await showApiKey(deps.db, principalOf(req).tenantId, input.params.id));
    },
  }),
});

const issuingRoutes = (deps: TenantDeps) => ({
  createApiKey: endpoint({
    summary: 'Create an API key whose holder is the caller',
    body: createBody,
    responses: { 201: json('The key, with its text, once', issuedApiKey) },
    errors: ['NOT_YOURS_TO_GIVE', 'KEY_NAME_TAKEN', 'TOO_MANY_KEYS'],
    async handle(req, res, { body: { ticket: reference, ...input } }) {
      const ctx = contextOf(req, reference);
      res.status(201).json(await createApiKey(deps, ctx, provenCallerOf(req), input));
    },
  }),
  rotateApiKey: endpoint({
    summary: 'Give an API key of your own a new text and a new expiry',
    params,
    body: rotateBody,
    responses: { 200: json('The key, with its new text, once', issuedApiKey) },
    errors: ['NOT_YOURS_TO_MANAGE', 'KEY_HOLDER_ONLY', 'NOT_FOUND', 'KEY_ENDED'],
    async handle(req, res, { params: { id }, body: { ticket: reference, ...input } }) {
      const ctx = contextOf(req, reference);
      res.json(await rotateApiKey(deps, ctx, provenCallerOf(req), { id, ...input }));
    },
  }),
});

/** The routes by which members manage API keys; the route table holds their guards. */
export const apiKeyRoutes = (deps: TenantDeps) => ({
  ...readRoutes(deps),
  ...issuingRoutes(deps),
  changeApiKey: endpoint({
    summary: 'Change the name, the addresses or the permissions of an API key',
    params,
    body: changeBody,
    responses: { 200: json('The key', shownApiKey) },
    errors: [
      'NOT_YOURS_TO_MANAGE',
      'NOT_YOURS_TO_GIVE',
      'KEY_HOLDER_ONLY',
      'NOT_FOUND',
      'KEY_NAME_TAKEN',
      'KEY_ENDED',
    ],
    async handle(req, res, { params: { id }, body: { ticket: reference, ...set } }) {
      const ctx = contextOf(req, reference);
      res.json(await changeApiKey(deps, ctx, provenCallerOf(req), { id, set }));
    },
  }),
  revokeApiKey: endpoint({
    summary: 'Revoke an API key: its next request is refused',
    params,
    responses: { 204: noBody('Revoked') },
    errors: ['NOT_YOURS_TO_MANAGE', 'NOT_FOUND', 'KEY_ENDED'],
    async handle(req, res, { params: { id } }) {
      const authority = { via: 'api' as const, principal: principalOf(req) };
      await revokeApiKey(deps, contextOf(req), authority, id);
      res.status(204).end();
    },
  }),
});

import { z } from 'zod';
import { LONGEST_STEP_UP_WINDOW_SEC } from '../config/sessionSettings';
import { json, noBody } from '../http/answers';
import { bearerToken } from '../http/authenticate';
import { readAddress } from '../http/clientAddress';
import { errorSchema } from '../http/errorSchemas';
import { contextOf, unauthenticated } from '../http/request';
import { endpoint, storableText, wholeNumber } from '../http/routeTable';
import { PERMISSION_NAME } from '../permissions';
import { appPurpose } from '../stepUpPurpose';
import type { IntrospectionDeps } from './deps';
import { forwardAuth } from './forwardAuth';
import { introspect } from './introspect';
import { introspection, provenStepUp } from './introspectionAnswers';
import { proveForService } from './proveForService';

/** Longer than any token, and than one of another issuer that a client may send by mistake. */
const token = storableText(8192).describe('The access token, or the API key, of the caller');
const windowSec = z.int().min(1).max(LONGEST_STEP_UP_WINDOW_SEC);

const address = storableText(100, 1, '203.0.113.7').transform((text, { issues }) => {
  const read = readAddress(text);
  if (read !== null) return read;
  issues.push({ code: 'custom', input: undefined, message: 'must be an IP address' });
  return z.NEVER;
});

const introspectBody = z.object({
  token,
  token_type_hint: storableText(100).optional().describe('Ignored'),
  address: address.optional().describe('The address of the caller, for API keys with a list'),
});

const act = z.strictObject({
  name: storableText(200, 1, 'DELETE /projects/:id'),
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
});

const stepUpBody = z
  .strictObject({
    token,
    purpose: appPurpose,
    windowSec: windowSec.optional(),
    act: act.optional(),
    consume: z.boolean().default(false),
  })
  .refine(({ act: named, consume }) => !consume || named !== undefined, {
    message: 'needs an act',
    path: ['consume'],
  });

const permission = z.string().regex(PERMISSION_NAME, 'must be the name of a permission');
const gatewayQuery = z.strictObject({
  permission: z
    .union([permission, z.array(permission).max(20)])
    .optional()
    .describe('All of them are needed'),
  purpose: appPurpose.optional().describe('A fresh step-up for this purpose is needed'),
  windowSec: wholeNumber(LONGEST_STEP_UP_WINDOW_SEC)
    .pipe(z.number().min(1))
    .optional()
    .describe('The greatest age of the step-up in seconds'),
  deny: z.literal('403').optional().describe('The status in place of 428, for nginx'),
});

/**
 * Reads policies past the cache. A guard keeps an answer until a change is reported, so the answer
 * must not be older than that change.
 */
const withPoliciesOfNow = (deps: IntrospectionDeps): IntrospectionDeps => ({
  ...deps,
  riskPolicies: { ...deps.riskPolicies, read: (tenantId) => deps.riskPolicies.readNow(tenantId) },
});

const describeRoutes = (deps: IntrospectionDeps) => ({
  introspectToken: endpoint({
    summary: 'Whether an access token or an API key is good now, and whose it is (RFC 7662)',
    body: introspectBody,
    takesForm: true,
    responses: { 200: json('The token', introspection) },
    errors: [],
    async handle(req, res, { body }) {
      const asked = { token: body.token, address: body.address ?? null };
      res.json(await introspect(deps, contextOf(req), asked));
    },
  }),
  proveForService: endpoint({
    summary: 'Whether the person behind a token has a fresh step-up, and consume it for one act',
    body: stepUpBody,
    responses: { 200: json('The step-up, or that the token is not active', provenStepUp) },
    errors: ['STEP_UP_REQUIRED', 'PERSON_REQUIRED'],
    async handle(req, res, { body }) {
      res.json(await proveForService(deps, contextOf(req), body));
    },
  }),
  forwardAuth: endpoint({
    summary: 'Whether a gateway may let a request through, and who sends it',
    query: gatewayQuery,
    responses: {
      200: noBody(
        'It may',
        'x-gatehouse-user',
        'x-gatehouse-tenant',
        'x-gatehouse-tenant-id',
        'x-gatehouse-staff',
        'x-gatehouse-session',
        'x-gatehouse-permissions',
        'x-gatehouse-assertion',
      ),
      403: json('A step-up is needed, with `deny=403`', errorSchema('STEP_UP_REQUIRED')),
    },
    errors: ['STEP_UP_REQUIRED', 'PERSON_REQUIRED'],
    async handle(req, res, { query }) {
      const bearer = bearerToken(req);
      if (bearer === undefined) throw unauthenticated();
      const sent = req.headers['x-gatehouse-client-address'];
      const { permission: asked = [], purpose, windowSec: window } = query;
      const headers = await forwardAuth(deps, contextOf(req), {
        token: bearer,
        address: readAddress(typeof sent === 'string' ? sent : null),
        permissions: typeof asked === 'string' ? [asked] : asked,
        purpose,
        windowSec: window,
      });
      res.set(headers).status(200).end();
    },
  }),
});

/** The routes by which the team's own API and its gateways ask about callers. */
export const introspectionRoutes = (deps: IntrospectionDeps) =>
  describeRoutes(withPoliciesOfNow(deps));

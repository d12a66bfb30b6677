import type { Request, Response } from 'express';
import { z } from 'zod';
import { LONGEST_STEP_UP_WINDOW_SEC } from '../config/sessionSettings';
import { json, noBody } from '../http/answers';
import { bearerToken } from '../http/authenticate';
import { readAddress } from '../http/clientAddress';
import { errorSchema } from '../http/errorSchemas';
import { contextOf, serviceOf, unauthenticated } from '../http/request';
import { endpoint, storableText } from '../http/routeTable';
import { appPurpose } from '../stepUpPurpose';
import type { IntrospectionDeps } from './deps';
import { forwardAuth } from './forwardAuth';
import type { GatewayQuestion } from './forwardAuth';
import { clientAddress, permissionName, windowSeconds } from './gatewayFields';
import { gatewayHeaders, readGatewayHeaders } from './gatewayHeaders';
import { introspect } from './introspect';
import { introspection, provenStepUp } from './introspectionAnswers';
import { proveForService } from './proveForService';

/** Longer than any token, and than one of another issuer that a client may send by mistake. */
const token = storableText(8192).describe('The access token, or the API key, of the caller');
const windowSec = z.int().min(1).max(LONGEST_STEP_UP_WINDOW_SEC);

const introspectBody = z.object({
  token,
  token_type_hint: storableText(100).optional().describe('Ignored'),
  address: clientAddress
    .optional()
    .describe('The address of the caller, for IP rules and for API keys with a list'),
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
    address: clientAddress.optional().describe('The address of the caller, for IP rules'),
    consume: z.boolean().default(false),
  })
  .refine(({ act: named, consume }) => !consume || named !== undefined, {
    message: 'needs an act',
    path: ['consume'],
  });

/** RFC 9110 9.1: the name of a method. */
const httpMethod = z.string().regex(/^[A-Z]{1,20}$/, 'must be a method in capitals');

/**
 * Reads the method of the request that the gateway asks about. A client can send the header too, so
 * it counts only if the configuration says that the gateway sets it.
 */
function methodOf(req: Request, reported: string | undefined): string | undefined {
  if (reported !== 'forwarded') return reported;
  const sent = req.headers['x-forwarded-method'];
  return typeof sent === 'string' ? sent : undefined;
}

const gatewayQuery = z.strictObject({
  permission: z
    .union([permissionName, z.array(permissionName).max(20)])
    .optional()
    .describe('All of them are needed'),
  purpose: appPurpose.optional().describe('A fresh step-up for this purpose is needed'),
  windowSec: windowSeconds.optional().describe('The greatest age of the step-up in seconds'),
  method: z
    .union([z.literal('forwarded'), httpMethod])
    .optional()
    .describe('The method of the request, or `forwarded` if the gateway sets X-Forwarded-Method'),
  deny: z.literal('403').optional().describe('The status in place of 428, for nginx'),
  address: z
    .literal('x-forwarded-for')
    .optional()
    .describe('The header that holds the address of the client, for Traefik'),
});

/**
 * Returns the address of a gateway's client. The query is the gateway's own, so a client cannot choose
 * the header. Of `x-forwarded-for` the last entry counts: the gateway wrote it. Two addresses in our own
 * header are none: one may be from the client, and gateways differ in where they add theirs.
 */
function clientOf(req: Request, header: z.output<typeof gatewayQuery>['address']): string | null {
  const sent = req.headers[header ?? 'x-gatehouse-client-address'];
  if (typeof sent !== 'string') return null;
  return readAddress(header === undefined ? sent : sent.split(',').at(-1));
}

/** A gateway may let the request through. */
const passes = noBody(
  'It may',
  'x-gatehouse-user',
  'x-gatehouse-tenant',
  'x-gatehouse-tenant-id',
  'x-gatehouse-staff',
  'x-gatehouse-session',
  'x-gatehouse-permissions',
  'x-gatehouse-permissions-partial',
  'x-gatehouse-assertion',
);

/** Answers a gateway: the one way for all of them. */
async function answerQuestion(
  deps: IntrospectionDeps,
  req: Request,
  res: Response,
  asked: Omit<GatewayQuestion, 'token'>,
): Promise<void> {
  const token = bearerToken(req);
  if (token === undefined) throw unauthenticated();
  const headers = await forwardAuth(deps, contextOf(req), { ...asked, token });
  res.set(headers).status(200).end();
}

/**
 * Reads policies past the cache. A guard keeps an introspection until a change is reported, so it must
 * not be older than that change. Nobody keeps the other answers. They read policies inside a
 * transaction, where a second connection for each request would use up the pool.
 */
const withPoliciesOfNow = (deps: IntrospectionDeps): IntrospectionDeps => ({
  ...deps,
  riskPolicies: { ...deps.riskPolicies, read: (tenantId) => deps.riskPolicies.readNow(tenantId) },
});

/** @param ofNow reads policies past the cache */
const describeRoutes = (deps: IntrospectionDeps, ofNow: IntrospectionDeps) => ({
  introspectToken: endpoint({
    summary: 'Whether an access token or an API key is good now, and whose it is (RFC 7662)',
    body: introspectBody,
    takesForm: true,
    responses: { 200: json('The token', introspection) },
    errors: ['IP_RULES_UNAVAILABLE'],
    async handle(req, res, { body }) {
      const asked = { token: body.token, address: body.address ?? null };
      res.json(await introspect(ofNow, contextOf(req), asked));
    },
  }),
  proveForService: endpoint({
    summary: 'Whether the person behind a token has a fresh step-up, and consume it for one act',
    body: stepUpBody,
    responses: { 200: json('The step-up, or that the token is not active', provenStepUp) },
    errors: [
      'STEP_UP_REQUIRED',
      'PERSON_REQUIRED',
      'IMPERSONATION_REFUSED',
      'IP_RULES_UNAVAILABLE',
    ],
    async handle(req, res, { body }) {
      const asked = { ...body, service: serviceOf(req).keyId };
      res.json(await proveForService(deps, contextOf(req), asked));
    },
  }),
  forwardAuth: endpoint({
    summary: 'Whether a gateway may let a request through, and who sends it',
    query: gatewayQuery,
    responses: {
      200: passes,
      403: json('A step-up is needed, with `deny=403`', errorSchema('STEP_UP_REQUIRED')),
    },
    errors: ['STEP_UP_REQUIRED', 'PERSON_REQUIRED', 'IMPERSONATION_REFUSED'],
    async handle(req, res, { query }) {
      const { permission: asked = [], purpose, windowSec: window } = query;
      await answerQuestion(deps, req, res, {
        address: clientOf(req, query.address),
        permissions: typeof asked === 'string' ? [asked] : asked,
        purpose,
        windowSec: window,
        method: methodOf(req, query.method),
      });
    },
  }),
  forwardAuthOfEnvoy: endpoint({
    summary: 'Whether Envoy may let a request through, and who sends it',
    headers: gatewayHeaders,
    takesAnyRequest: true,
    responses: { 200: passes },
    errors: ['STEP_UP_REQUIRED', 'PERSON_REQUIRED', 'IMPERSONATION_REFUSED'],
    async handle(req, res) {
      // The path and the query are those of Envoy's client, so they say nothing about the need.
      const asked = readGatewayHeaders(req.headersDistinct);
      await answerQuestion(deps, req, res, {
        address: asked['x-gatehouse-client-address'] ?? null,
        permissions: asked['x-gatehouse-permission'] ?? [],
        purpose: asked['x-gatehouse-purpose'],
        windowSec: asked['x-gatehouse-window-sec'],
        // Envoy asks with the method of its client.
        method: req.method,
      });
    },
  }),
});

/** The routes by which the team's own API and its gateways ask about callers. */
export const introspectionRoutes = (deps: IntrospectionDeps) =>
  describeRoutes(deps, withPoliciesOfNow(deps));

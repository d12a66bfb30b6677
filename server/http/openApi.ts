import { z } from 'zod';
import { ERRORS } from '../errors';
import { authenticate } from './authenticate';
import { authenticateEnrollee } from './authenticateEnrollee';
import { FORM } from './formBody';
import type { Route } from './routeTable';

/** `/sessions/:id` in Express is `/sessions/{id}` in OpenAPI. */
const toOpenApiPath = (path: string) => path.replaceAll(/:([A-Za-z]+)/g, '{$1}');

function describeQuery(query: z.ZodObject | undefined) {
  if (!query) return [];
  const { properties, required } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required?.includes(name) ?? false,
    schema,
  }));
}

function describeRoute({ path, guards, endpoint }: Route) {
  const { body } = endpoint;
  const inPath = [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const parameters = [...inPath, ...describeQuery(endpoint.query)];
  const responses = Object.fromEntries(
    Object.entries(endpoint.responses).map(([status, description]) => [status, { description }]),
  );
  const guarded = guards.some((guard) => guard === authenticate || guard === authenticateEnrollee);
  const bearer = guards.length > 0 ? [...(guarded ? [] : [{}]), { bearer: [] }] : [];
  const cookie = endpoint.takesRefreshCookie
    ? [...(bearer.length > 0 ? [] : [{}]), { refreshCookie: [] }]
    : [];
  const security = [...bearer, ...cookie];
  return {
    summary: endpoint.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(security.length > 0 ? { security } : {}),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              ['application/json', ...(endpoint.takesForm ? [FORM] : [])].map((type) => [
                type,
                { schema: z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' }) },
              ]),
            ),
          },
        }
      : {}),
    responses: {
      ...responses,
      ...(guarded ? { 401: { description: 'UNAUTHENTICATED' } } : {}),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

/**
 * Describes the API as OpenAPI 3.1, from the schemas that validate requests, so that the two cannot
 * differ.
 */
export function describeApi(table: readonly Route[], version: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of table) {
    const path = toOpenApiPath(route.path);
    paths[path] = { ...paths[path], [route.method]: describeRoute(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Gatehouse', version },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        refreshCookie: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-refresh',
          description:
            'Set by a login with `"refreshCookie": true`; `refresh` over plain HTTP outside production',
        },
      },
      responses: {
        Problem: {
          description: 'RFC 9457 problem details, or a fixed contract body; `error` is the code',
          content: {
            'application/problem+json': {
              schema: {
                type: 'object',
                properties: {
                  error: { type: 'string', enum: Object.keys(ERRORS) },
                  title: { type: 'string' },
                  status: { type: 'integer' },
                  detail: { type: 'string' },
                  correlationId: { type: 'string' },
                },
                required: ['error'],
              },
            },
          },
        },
      },
    },
  };
}

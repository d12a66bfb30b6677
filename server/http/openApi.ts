import { setImmediate } from 'node:timers/promises';
import type { z } from 'zod';
import { ERRORS } from '../errors';
import { ANSWER_HEADERS } from './answers';
import type { AnswerHeader } from './answers';
import { collectComponents } from './components';
import type { Components } from './components';
import { BEFORE_ROUTES, describeAnswers, describeErrors } from './describeAnswers';
import type { StatusAnswers } from './describeAnswers';
import { exampleOf } from './exampleOf';
import { FORM } from './formBody';
import type { Endpoint, Route } from './routeTable';
import { SCIM_JSON } from './scimDialect';

/** `/sessions/:id` in Express is `/sessions/{id}` in OpenAPI. */
const toOpenApiPath = (path: string) => path.replaceAll(/:([A-Za-z]+)/g, '{$1}');

function describeFields(
  place: 'query' | 'header',
  fields: z.ZodObject | undefined,
  { schemaOf }: Components,
) {
  if (!fields) return [];
  const { properties, required } = schemaOf(fields) as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: required?.includes(name) ?? false,
    description,
    schema,
  }));
}

/** The parameters in paths, with their meanings. */
const IN_PATHS: Readonly<Record<string, string>> = {
  id: 'Its id, as in the list and in the answer that created it',
  sessionId: 'The id of the session',
  connection: 'The id of the connection to the identity provider',
  attempt: 'The `attemptId` of the try',
  identity: 'The id of the identity',
  token: 'The token of the link',
};

const IDEMPOTENCY_KEY = { $ref: '#/components/parameters/IdempotencyKey' };
const CORRELATION_ID = { $ref: '#/components/parameters/CorrelationId' };

function describeParameters({ path, endpoint }: Route, components: Components) {
  const inPath = [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    description: IN_PATHS[name],
    schema: { type: 'string' },
  }));
  return [
    ...inPath,
    ...describeFields('query', endpoint.query, components),
    ...describeFields('header', endpoint.headers, components),
    ...(endpoint.takesIdempotencyKey ? [IDEMPOTENCY_KEY] : []),
    CORRELATION_ID,
  ];
}

/** A body with an example; a schema without one gets an example that is built from it. */
function describeContent(schema: z.ZodType, { schemaOf, schemas }: Components) {
  const found = schemaOf(schema);
  return { schema: found, example: exampleOf(found, schemas) };
}

const AS_TEXT = { schema: { type: 'string' } };
/** In OpenAPI 3.1 a binary body has no schema. */
const describeOther = (type: string) => (/^text\/|ndjson|javascript/.test(type) ? AS_TEXT : {});

function referToHeader(name: AnswerHeader, { headers }: Components): object {
  headers[name] ??= { description: ANSWER_HEADERS[name], schema: { type: 'string' } };
  return { $ref: `#/components/headers/${name}` };
}

function describeAnswer({ description, content, headers }: StatusAnswers, components: Components) {
  const names = ['x-correlation-id', ...headers] as const;
  const media = Object.entries(content).map(([type, schema]) => [
    type,
    schema ? describeContent(schema, components) : describeOther(type),
  ]);
  return {
    description,
    headers: Object.fromEntries(names.map((name) => [name, referToHeader(name, components)])),
    ...(media.length > 0 ? { content: Object.fromEntries(media) as object } : {}),
  };
}

/** Describes an answer, or refers to it if other routes have the same one. */
function referToAnswer(answer: StatusAnswers, components: Components): object {
  const { shared } = answer;
  if (shared === undefined) return describeAnswer(answer, components);
  components.responses[shared] ??= describeAnswer(answer, components);
  return { $ref: `#/components/responses/${shared}` };
}

/** The ways in which a caller may be known. An empty one means that none is needed. */
function describeSecurity({ guards, endpoint }: Route): object[] {
  const bearer = guards.map((guard) => guard.bearer).find((kind) => kind !== undefined);
  const cookie = endpoint.takesRefreshCookie ? [{ refreshCookie: [] }] : [];
  const keys = guards.map((guard) => guard.keys).find((kind) => kind !== undefined);
  if (keys === 'service') return [{ serviceKey: [] }];
  if (keys === 'scim') return [{ apiKey: [] }];
  if (keys === 'api') return [{ bearer: [] }, { apiKey: [] }];
  if (bearer === 'required') return [{ bearer: [] }, ...cookie];
  const known = [...(bearer ? [{ bearer: [] }] : []), ...cookie];
  return known.length > 0 ? [{}, ...known] : [];
}

function describeRequest({ body, takesForm, takesScim }: Endpoint, components: Components) {
  if (!body) return {};
  const other = [...(takesScim ? [SCIM_JSON] : []), ...(takesForm ? [FORM] : [])];
  const types = ['application/json', ...other];
  const content = describeContent(body, components);
  return {
    requestBody: {
      required: !body.safeParse(undefined).success,
      content: Object.fromEntries(types.map((type) => [type, content])),
    },
  };
}

function describeRoute(route: Route, components: Components) {
  const { endpoint, guards } = route;
  const permission = guards.map((guard) => guard.permission).find(Boolean);
  const stepUp = guards.map((guard) => guard.stepUp).find(Boolean);
  const ownProof = guards.some((guard) => guard.ownProof);
  const scope = guards.map((guard) => guard.scope).find(Boolean);
  const needs = [
    ...(endpoint.takesAnyRequest
      ? ['Answers every method, and every path that begins with this one.']
      : []),
    ...(permission === undefined ? [] : [`Needs the permission \`${permission}\`.`]),
    ...(ownProof ? ['Needs the proof of the person, not only of a provider.'] : []),
    ...(stepUp === undefined ? [] : [`Needs a step-up for \`${stepUp}\`.`]),
    ...(scope === undefined ? [] : [`Needs the scope \`${scope}\`.`]),
  ];
  const answers = [...describeAnswers(route)].map(([status, answer]) => [
    String(status),
    referToAnswer(answer, components),
  ]);
  return {
    ...(endpoint.name === undefined ? {} : { operationId: endpoint.name }),
    summary: endpoint.summary,
    description: [`${endpoint.summary}.`, ...needs].join(' '),
    ...(route.tag === undefined ? {} : { tags: [route.tag] }),
    security: describeSecurity(route),
    parameters: describeParameters(route, components),
    ...describeRequest(endpoint, components),
    responses: {
      ...(Object.fromEntries(answers) as object),
      default: { $ref: '#/components/responses/Refused' },
    },
  };
}

const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The `accessToken` of a login or a refresh',
  },
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'ghk_t…',
    description: "A tenant's API key: its holder's permissions, if the key has them too",
  },
  serviceKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'ghk_s…',
    description: 'A service key of the operator',
  },
  refreshCookie: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-refresh',
    description:
      'Set by a login with `"refreshCookie": true`; `refresh` over plain HTTP outside production',
  },
};

const PARAMETERS = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Random, 1 to 255 visible ASCII characters. The same request with the same key gets the same tokens again',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f',
  },
  CorrelationId: {
    name: 'x-correlation-id',
    in: 'header',
    required: false,
    description:
      'Names the request in logs and audit events: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Gatehouse creates one if none is sent',
    schema: { type: 'string' },
    example: 'checkout-7f3a',
  },
};

/** What the document says once, besides the schemas. */
const describeShared = (components: Components) => {
  const refused = describeAnswer(describeErrors(BEFORE_ROUTES), components);
  return {
    securitySchemes: SECURITY_SCHEMES,
    parameters: PARAMETERS,
    headers: components.headers,
    responses: {
      ...components.responses,
      Refused: {
        ...refused,
        description: `Answers before a route is chosen: ${BEFORE_ROUTES.map(
          (code) => `${ERRORS[code].status} ${code}`,
        ).join(', ')}`,
      },
    },
  };
};

/** The facts about this server that the document names. */
export interface DescribedServer {
  readonly version: string;
  /** The address at which clients reach it; undefined if that is not configured. */
  readonly url: string | undefined;
  /** The address for people who use the API and need help; undefined if that is not configured. */
  readonly contact?: object | undefined;
  /** The meaning of each group of routes, by its name. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * Describes the API as OpenAPI 3.1, from the schemas that validate requests and the tests' answers,
 * so that they cannot differ. The whole takes some hundred milliseconds, so other requests get a
 * turn after each route.
 */
export async function describeApi(
  table: readonly Route[],
  { version, url, contact, tags }: DescribedServer,
) {
  const components = collectComponents();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of table) {
    const path = toOpenApiPath(route.path);
    paths[path] = { ...paths[path], [route.method]: describeRoute(route, components) };
    await setImmediate();
  }
  const shared = describeShared(components);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gatehouse',
      version,
      description: 'Signs staff in, keeps their sessions safe, and proves what happened.',
      contact: { name: 'The operator of this server', ...contact },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: url ?? '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: { ...shared, schemas: components.schemas },
  };
}

import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import type { Permission } from '../permissions';
import type { ServiceScope } from '../serviceScopes';
import type { Answer, Sendable } from './answers';
import type { ErrorNote } from './errorSchemas';

/** Builds a schema for text that Postgres can store: no NUL, no half of a surrogate pair. */
export const storableText = (most: number, least = 1, example?: string) =>
  z
    .string()
    .meta({
      minLength: least,
      maxLength: most,
      ...(example === undefined ? {} : { examples: [example] }),
    })
    // In a pipe after the type check: zod measures anything with a length, and the length of a
    // hostile object may throw.
    .pipe(z.string().min(least).max(most))
    .refine((value) => !value.includes('\0') && value.isWellFormed(), {
      message: 'must not contain NUL or lone surrogates',
    });

/** Builds a schema for a list of texts in a body, with its limit in the description too. */
export const boundedList = (item: z.ZodType<string>, most: number) =>
  z
    .array(item)
    .meta({ maxItems: most })
    // In a pipe, as in storableText.
    .pipe(z.array(z.string()).max(most));

/** Builds a schema for a whole number in a query string. */
export const wholeNumber = (most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().max(most));

/** The fields of a query string that ask for a page of a list. */
export const pageFields = {
  cursor: storableText(200).optional().describe('The `nextCursor` of the page before'),
  limit: wholeNumber(200)
    .pipe(z.number().min(1))
    .default(50)
    .describe('The most entries of the page, up to 200'),
};

/** The schema of a moment in a query string. */
export const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  // Postgres accepts no year of five digits.
  .refine((value) => !Number.isNaN(value.getTime()), 'must be an instant');

/**
 * The description of a route, its handler, and the schemas that both validate its input and
 * document it.
 */
export interface Endpoint {
  /** Unique in the whole table: the `operationId` in OpenAPI. `named` sets it. */
  name?: string;
  summary: string;
  /** The schema of the body; a route without one reads no body. */
  body?: z.ZodType;
  params?: z.ZodType;
  /** The schema of the query string; a route without one ignores it. */
  query?: z.ZodObject;
  /** The schema of the headers that the handler reads, for OpenAPI. */
  headers?: z.ZodObject;
  /** The answers that are no errors, by status. */
  responses: Readonly<Record<number, Answer>>;
  /** The errors, besides those of the guards, of the body's parser and of every route. */
  errors: readonly ErrorNote[];
  /** Whether the header `Idempotency-Key` makes the request safe to repeat, for OpenAPI. */
  takesIdempotencyKey?: boolean;
  /** Whether the refresh cookie identifies the caller, for OpenAPI. */
  takesRefreshCookie?: boolean;
  /** Whether the body may also be an HTML form, because a page of this server posts to the route, or a standard says so. */
  takesForm?: boolean;
  /** Whether the body may be as large as a batch: 512 kB. */
  takesBatch?: boolean;
  /** Whether the body is one of SCIM: 128 kB, in its own media type or as JSON. */
  takesScim?: boolean;
  /** Whether the route answers every method, and every path that begins with its own. */
  takesAnyRequest?: boolean;
  handle: (req: Request, res: Response) => Promise<void> | void;
}

/** The facts about a guard that the table and OpenAPI need. */
export interface GuardFacts {
  /** The body is parsed before this guard, but after the guards in front of it. */
  readonly readsBody?: true;
  /** Whether an access token must be sent, or may be sent. */
  readonly bearer?: 'required' | 'optional';
  /** The keys of programs that may be sent as the bearer token: beside access tokens, or instead. */
  readonly keys?: 'api' | 'scim' | 'service';
  /** The scope of a service key that it asks for. */
  readonly scope?: ServiceScope;
  /**
   * Whether the IP rules do not limit its routes, because they can only end the caller's own
   * sessions; a test tries every other route from a refused address.
   */
  readonly fromAnywhere?: true;
  /** The permission that it asks for; a test tries every route without it. */
  readonly permission?: Permission;
  /** Whether it asks for the person's own proof; a test tries every such route without it. */
  readonly ownProof?: true;
  /** The purpose of the step-up that it asks for. */
  readonly stepUp?: string;
  readonly errors?: readonly ErrorNote[];
}

/** A middleware before the handler. */
export type Guard = RequestHandler & GuardFacts;

/** Builds a guard. */
export const guard = (facts: GuardFacts, run: RequestHandler): Guard => Object.assign(run, facts);

/**
 * What somebody who acts as another member may do with a route: `read` it, in both scopes; `act`, in
 * the scope `full` alone; or `stop` acting. A route without a mark is closed to them.
 */
export type Impersonable = 'read' | 'act' | 'stop';

export interface Route {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  path: string;
  guards: readonly Guard[];
  endpoint: Endpoint;
  /** The group of routes in OpenAPI. */
  tag?: string;
  /** Whether the rate limits count its requests, around the first guard. */
  limited?: true;
  impersonable?: Impersonable | undefined;
}

/** Applies the rate limits to routes. */
export const limited = (table: readonly Route[]): Route[] =>
  table.map((route) => ({ ...route, limited: true }));

type Responses = Readonly<Record<number, Answer>>;

/** The bodies that a handler may send: those that its answers describe. */
type BodyOf<R extends Responses> = R[keyof R] extends Answer<infer Body> ? Sendable<Body> : unknown;

/**
 * Validates a body. If it is missing altogether, the error names the fields that it needs, as for an
 * empty object.
 * @throws ZodError
 */
function parseBody<Body extends z.ZodType>(schema: Body, body: unknown): z.output<Body> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  if (body === undefined) schema.parse({});
  throw parsed.error;
}

/**
 * Builds an endpoint whose handler gets the validated input.
 * @throws ZodError from the handler if the input is invalid; nothing has happened by then
 */
export function endpoint<
  Body extends z.ZodType,
  Params extends z.ZodType,
  Query extends z.ZodObject,
  R extends Responses,
>(spec: {
  summary: string;
  body?: Body;
  params?: Params;
  query?: Query;
  headers?: z.ZodObject;
  responses: R;
  errors: readonly ErrorNote[];
  takesIdempotencyKey?: boolean;
  takesRefreshCookie?: boolean;
  takesForm?: boolean;
  takesBatch?: boolean;
  takesScim?: boolean;
  takesAnyRequest?: boolean;
  handle: (
    req: Request,
    res: Response<BodyOf<R>>,
    input: { body: z.output<Body>; params: z.output<Params>; query: z.output<Query> },
  ) => Promise<void> | void;
}): Endpoint {
  const { handle, ...described } = spec;
  const { body, params, query } = spec;
  return {
    ...described,
    handle: (req, res) =>
      handle(req, res as Response<BodyOf<R>>, {
        body: (body ? parseBody(body, req.body) : undefined) as z.output<Body>,
        params: (params ? params.parse(req.params) : undefined) as z.output<Params>,
        query: (query ? query.parse(req.query) : undefined) as z.output<Query>,
      }),
  };
}

const route =
  (method: Route['method']) =>
  (
    path: string,
    guards: readonly Guard[],
    endpoint: Endpoint,
    impersonable?: Impersonable,
  ): Route => ({ method, path, guards, endpoint, impersonable });

export const get = route('get');
export const post = route('post');
export const put = route('put');
export const patch = route('patch');
export const del = route('delete');

/** Gives each endpoint its name. */
export const named = <Endpoints extends Record<string, Endpoint>>(
  endpoints: Endpoints,
): Endpoints =>
  Object.fromEntries(
    Object.entries(endpoints).map(([name, endpoint]) => [name, { ...endpoint, name }]),
  ) as Endpoints;

/** Puts routes into a group. */
export const tagged = (tag: string, routes: readonly Route[]): Route[] =>
  routes.map((each) => ({ ...each, tag }));

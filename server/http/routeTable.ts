import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import type { Permission } from '../permissions';

/** Builds a schema for text that Postgres can store: no NUL, no half of a surrogate pair. */
export const storableText = (most: number, least = 1) =>
  z
    .string()
    .meta({ minLength: least, maxLength: most })
    // In a pipe after the type check: zod measures anything with a length, and the length of a
    // hostile object may throw.
    .pipe(z.string().min(least).max(most))
    .refine((value) => !value.includes('\0') && value.isWellFormed(), {
      message: 'must not contain NUL or lone surrogates',
    });

/** Builds a schema for a whole number in a query string. */
export const wholeNumber = (most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().max(most));

/** The fields of a query string that ask for a page of a list. */
export const pageFields = {
  cursor: storableText(200).optional(),
  limit: wholeNumber(200).pipe(z.number().min(1)).default(50),
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
  summary: string;
  /** The schema of the body; a route without one reads no body. */
  body?: z.ZodType;
  params?: z.ZodType;
  /** The schema of the query string; a route without one ignores it. */
  query?: z.ZodObject;
  /** The statuses and their meanings, besides the errors that every route can return. */
  responses: Readonly<Record<number, string>>;
  /** Whether the refresh cookie identifies the caller, for OpenAPI. */
  takesRefreshCookie?: boolean;
  /** Whether the body may also be an HTML form, because a page of this server posts to the route. */
  takesForm?: boolean;
  handle: (req: Request, res: Response) => Promise<void> | void;
}

/**
 * A middleware before the handler. If it reads the body, the body is parsed before it, but after
 * the guards in front of it.
 */
export type Guard = RequestHandler & {
  readonly readsBody?: true;
  /** The permission that the guard requires. */
  readonly permission?: Permission;
};

export interface Route {
  method: 'get' | 'post' | 'put' | 'delete';
  path: string;
  guards: readonly Guard[];
  endpoint: Endpoint;
}

/**
 * Builds an endpoint whose handler gets the validated input.
 * @throws ZodError from the handler if the input is invalid; nothing has happened by then
 */
export function endpoint<
  Body extends z.ZodType,
  Params extends z.ZodType,
  Query extends z.ZodObject,
>(spec: {
  summary: string;
  body?: Body;
  params?: Params;
  query?: Query;
  responses: Readonly<Record<number, string>>;
  takesRefreshCookie?: boolean;
  takesForm?: boolean;
  handle: (
    req: Request,
    res: Response,
    input: { body: z.output<Body>; params: z.output<Params>; query: z.output<Query> },
  ) => Promise<void> | void;
}): Endpoint {
  const { handle, body, params, query, takesRefreshCookie = false, takesForm = false } = spec;
  return {
    summary: spec.summary,
    responses: spec.responses,
    takesRefreshCookie,
    takesForm,
    ...(body ? { body } : {}),
    ...(params ? { params } : {}),
    ...(query ? { query } : {}),
    handle: (req, res) =>
      handle(req, res, {
        body: (body ? body.parse(req.body) : undefined) as z.output<Body>,
        params: (params ? params.parse(req.params) : undefined) as z.output<Params>,
        query: (query ? query.parse(req.query) : undefined) as z.output<Query>,
      }),
  };
}

const route =
  (method: Route['method']) =>
  (path: string, guards: readonly Guard[], endpoint: Endpoint): Route => ({
    method,
    path,
    guards,
    endpoint,
  });

export const get = route('get');
export const post = route('post');
export const put = route('put');
export const del = route('delete');

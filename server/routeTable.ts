import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';

/** Text that Postgres can hold: no NUL, no half of a surrogate pair. */
export const storableText = (most: number, least = 1) =>
  z
    .string()
    .meta({ minLength: least, maxLength: most })
    // After the type, not beside it: zod measures whatever has a length, and an object's may throw.
    .pipe(z.string().min(least).max(most))
    .refine((value) => !value.includes('\0') && value.isWellFormed(), {
      message: 'must not contain NUL or lone surrogates',
    });

/** A whole number as it stands behind a question mark. */
export const wholeNumber = (most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().max(most));

/** A moment as it stands behind a question mark. */
export const instant = z.iso
  .datetime({ offset: true })
  .transform((value) => new Date(value))
  // Postgres reads no year of five digits.
  .refine((value) => !Number.isNaN(value.getTime()), 'must be an instant');

/** What a route does, and the schemas that both validate it and document it. */
export interface Endpoint {
  summary: string;
  /** The body's schema; a route without one reads no body. */
  body?: z.ZodType;
  params?: z.ZodType;
  /** What may stand behind the question mark; a route without one reads nothing there. */
  query?: z.ZodObject;
  /** Statuses and what they mean, beside the errors that every route can answer. */
  responses: Readonly<Record<number, string>>;
  /** Whether the refresh cookie says who asks, for OpenAPI. */
  takesRefreshCookie?: boolean;
  handle: (req: Request, res: Response) => Promise<void> | void;
}

/** What stands before a handler. One that reads the body has it parsed before, behind the guards in front of it. */
export type Guard = RequestHandler & { readonly readsBody?: true };

export interface Route {
  method: 'get' | 'post' | 'put' | 'delete';
  path: string;
  guards: readonly Guard[];
  endpoint: Endpoint;
}

/**
 * An endpoint whose handler is given what its schemas made of the request.
 * @throws ZodError from the handler where the input does not fit; nothing has happened by then
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
  handle: (
    req: Request,
    res: Response,
    input: { body: z.output<Body>; params: z.output<Params>; query: z.output<Query> },
  ) => Promise<void> | void;
}): Endpoint {
  const { handle, body, params, query, takesRefreshCookie = false } = spec;
  return {
    summary: spec.summary,
    responses: spec.responses,
    takesRefreshCookie,
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

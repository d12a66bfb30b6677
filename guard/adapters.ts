import { toAct } from './guardedAct';
import type { Act, Decision, Need, Origin, Principal, Refusal } from './guardContract';

/** The guards of a framework, each for one route or many. */
export interface Guards<Middleware, Request> {
  /** Admits everybody with a valid access token or API key. */
  authenticate(): Middleware;
  /** Admits those who hold all of these permissions. */
  requirePermission(...permissions: string[]): Middleware;
  /** Admits a person with a fresh proof for a purpose, or answers 428 with the challenge. */
  requireStepUp(purpose: string, options?: { windowSec?: number }): Middleware;
  /**
   * Admits a person with a proof for exactly this request, and uses the proof up. Put it after the
   * body parser and the other guards, directly before the handler.
   * @param actOf names the act, if the request alone does not say what it does
   */
  consumeStepUp(purpose: string, actOf?: (request: Request) => Act): Middleware;
  /** Checks several things at once. */
  require(need: Need | ((request: Request) => Need | Promise<Need>)): Middleware;
}

type Decide = (authorization: string | undefined, need: Need, origin: Origin) => Promise<Decision>;

/** The parts that the adapters share: how a request is decided about, and who sent it. */
export interface AdapterParts {
  decide: Decide;
  /** Decides without a promise if it can. */
  decideAtOnce: (authorization: string | undefined, need: Need) => Decision | undefined;
  /** Notes who sent a request. */
  note: (request: object, principal: Principal) => void;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const one = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** RFC 9110: a request has one Authorization; Node keeps the first of several. */
const headersOf = (headers: Headers) => ({
  authorization: one(headers['authorization']),
  correlationId: one(headers['x-correlation-id']),
});

/** Takes over an id that is well formed, as Gatehouse does. */
const wellFormed = (id: string | undefined) =>
  id !== undefined && /^[A-Za-z0-9._:-]{1,128}$/.test(id) ? id : undefined;

/** The headers of a refusal, with those of every answer. */
const answerHeaders = ({ headers }: Refusal): Record<string, string> => ({
  ...headers,
  'cache-control': 'no-store',
  'content-type': 'application/problem+json',
});

/** The part of Express's request that is used. */
export interface ExpressRequest {
  headers: Headers;
  method: string;
  baseUrl?: string;
  route?: { path?: unknown };
  originalUrl?: string;
  params?: object;
  query?: object;
  body?: unknown;
  ip?: string | undefined;
}
interface ExpressResponse {
  status(code: number): { set(headers: Record<string, string>): { end(body: string): unknown } };
}
export type ExpressMiddleware = (
  req: ExpressRequest,
  res: ExpressResponse,
  next: (error?: unknown) => void,
) => void;

/** Builds the guards of a framework from one function that makes a middleware of a need. */
function toGuards<Middleware, Request>(
  make: (need: (request: Request) => Need | Promise<Need>) => Middleware,
  actOf: (request: Request) => Act | Promise<Act>,
): Guards<Middleware, Request> {
  return {
    authenticate: () => make(() => ({})),
    requirePermission(...permissions) {
      // Without this, a name that is undefined or forgotten would admit everybody.
      if (permissions.length === 0 || !permissions.every((name) => typeof name === 'string')) {
        throw new TypeError('Name at least one permission.');
      }
      return make(() => ({ permissions }));
    },
    requireStepUp: (purpose, options = {}) => make(() => ({ stepUp: { purpose, ...options } })),
    consumeStepUp: (purpose, named = undefined) =>
      make(async (request) => ({
        consume: { purpose, act: await (named ?? actOf)(request) },
      })),
    require: (need) => make((request) => (typeof need === 'function' ? need(request) : need)),
  };
}

export function createExpressGuards({ decide, decideAtOnce, note }: AdapterParts) {
  const actOf = (req: ExpressRequest): Act =>
    toAct({
      method: req.method,
      route: `${req.baseUrl ?? ''}${typeof req.route?.path === 'string' ? req.route.path : ''}`,
      ...{ params: req.params ?? {}, query: req.query ?? {}, body: req.body ?? null },
    });
  return toGuards<ExpressMiddleware, ExpressRequest>(
    (need) => (req, res, next) => {
      const { authorization, correlationId } = headersOf(req.headers);
      const guard = async (needs: Need | Promise<Need>) => {
        // Express works the address out at each look.
        const origin = {
          ...{ address: () => req.ip, method: req.method },
          correlationId: wellFormed(correlationId),
        };
        const decision = await decide(authorization, await needs, origin);
        if (decision.allowed) {
          note(req, decision.principal);
          return next();
        }
        const { refusal } = decision;
        res.status(refusal.status).set(answerHeaders(refusal)).end(JSON.stringify(refusal.body));
      };
      const needs = need(req);
      const atOnce = needs instanceof Promise ? undefined : decideAtOnce(authorization, needs);
      if (atOnce?.allowed) {
        note(req, atOnce.principal);
        return next();
      }
      guard(needs).catch(next);
    },
    actOf,
  );
}

/** The part of Fastify's request that is used. */
export interface FastifyRequest {
  headers: Headers;
  method: string;
  routeOptions: { url?: string | undefined };
  params?: unknown;
  query?: unknown;
  body?: unknown;
  ip?: string;
}
interface FastifyReply {
  code(status: number): {
    headers(headers: Record<string, string>): { send(body: string): unknown };
  };
}
/** A hook for `preHandler`. */
export type FastifyHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function createFastifyGuards({ decide, note }: AdapterParts) {
  const actOf = ({ method, routeOptions, params, query, body }: FastifyRequest): Act =>
    toAct({
      ...{ method, route: routeOptions.url ?? '' },
      ...{ params: params ?? {}, query: query ?? {}, body: body ?? null },
    });
  return toGuards<FastifyHook, FastifyRequest>(
    (need) => async (request, reply) => {
      const { authorization, correlationId } = headersOf(request.headers);
      const origin = {
        ...{ address: () => request.ip, method: request.method },
        correlationId: wellFormed(correlationId),
      };
      const decision = await decide(authorization, await need(request), origin);
      if (decision.allowed) {
        note(request, decision.principal);
        return undefined;
      }
      const { refusal } = decision;
      return reply
        .code(refusal.status)
        .headers(answerHeaders(refusal))
        .send(JSON.stringify(refusal.body));
    },
    actOf,
  );
}

const toResponse = (refusal: Refusal): Response =>
  new Response(JSON.stringify(refusal.body), {
    status: refusal.status,
    headers: answerHeaders(refusal),
  });

/** The part of Hono's context that is used. */
export interface HonoContext {
  req: { raw: Request; routePath?: string; param(): object; query(): object };
}
export type HonoMiddleware = (
  context: HonoContext,
  next: () => Promise<void>,
) => Promise<Response | undefined>;

const originOf = (request: Request, address?: string): Origin => ({
  ...{ address, method: request.method },
  correlationId: wellFormed(request.headers.get('x-correlation-id') ?? undefined),
});

export function createHonoGuards({ decide, note }: AdapterParts) {
  const actOf = async ({ req }: HonoContext): Promise<Act> =>
    toAct({
      ...{ method: req.raw.method, route: new URL(req.raw.url).pathname },
      // The whole text: `req.query()` has only the first of several values of a name.
      ...{ query: { text: new URL(req.raw.url).search }, body: await req.raw.clone().text() },
    });
  return toGuards<HonoMiddleware, HonoContext>(
    (need) => async (context, next) => {
      const { raw } = context.req;
      const authorization = raw.headers.get('authorization') ?? undefined;
      const decision = await decide(authorization, await need(context), originOf(raw));
      if (!decision.allowed) return toResponse(decision.refusal);
      note(raw, decision.principal);
      await next();
      return undefined;
    },
    actOf,
  );
}

/** For frameworks with the `Request` and `Response` of the Fetch standard. */
export function createFetchGuard({ decide, note }: AdapterParts) {
  /**
   * Checks a request.
   * @returns the answer to send, or undefined if the request may go on
   */
  return async (
    request: Request,
    need: Need = {},
    address?: string,
  ): Promise<Response | undefined> => {
    const authorization = request.headers.get('authorization') ?? undefined;
    const decision = await decide(authorization, need, originOf(request, address));
    if (!decision.allowed) return toResponse(decision.refusal);
    note(request, decision.principal);
    return undefined;
  };
}

/** The part of `node:http` that is used. */
export interface NodeRequest {
  headers: Headers;
  method?: string | undefined;
  socket: { remoteAddress?: string | undefined };
}
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown };
}

/** For servers of `node:http`. */
export function createNodeGuard({ decide, note }: AdapterParts) {
  /**
   * Checks a request, and answers it if it may not go on.
   * @returns whether it may go on
   */
  return async (req: NodeRequest, res: NodeResponse, need: Need = {}): Promise<boolean> => {
    const { authorization, correlationId } = headersOf(req.headers);
    const address = req.socket.remoteAddress;
    const origin = { address, method: req.method, correlationId: wellFormed(correlationId) };
    const decision = await decide(authorization, need, origin);
    if (decision.allowed) {
      note(req, decision.principal);
      return true;
    }
    const { refusal } = decision;
    res.writeHead(refusal.status, answerHeaders(refusal)).end(JSON.stringify(refusal.body));
    return false;
  };
}

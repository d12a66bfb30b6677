import { channel } from 'node:diagnostics_channel';
import type { Express, Request, RequestHandler, Response } from 'express';
import { admitImpersonated } from './admitImpersonated';
import type { Endpoint, Guard, Route } from './routeTable';
import { isRowId } from '../db/ids';
import { preflight } from './cors';
import { describeAnswers } from './describeAnswers';
import type { StatusAnswers } from './describeAnswers';
import { methodNotAllowed } from './errorHandler';
import { formOrJsonBody } from './formBody';
import { batchBody, jsonBody, scimBody } from './jsonBody';
import { limitAround } from './limitRate';

/** Answers hold tokens and personal data, so no cache, shared or private, may store one. */
export const noStore: RequestHandler = (_req, res, next) => {
  res.setHeader('cache-control', 'no-store');
  next();
};

const nameRoute =
  (path: string, impersonable?: Route['impersonable']): RequestHandler =>
  (_req, res, next) => {
    res.locals['route'] = path;
    res.locals['impersonable'] = impersonable;
    next();
  };

/** A request that has reached its route, for anyone who compares answers with the document. */
export interface RoutedRequest {
  readonly route: Route;
  readonly req: Request;
  readonly res: Response;
  describeAnswers(): ReadonlyMap<number, StatusAnswers>;
}

export const ROUTED = 'gatehouse.routed';
const routed = channel(ROUTED);

/** Announces the request to subscribers of {@link ROUTED}; without one it costs nothing. */
const announce =
  (route: Route): RequestHandler =>
  (req, res, next) => {
    if (routed.hasSubscribers) {
      const request: RoutedRequest = {
        route,
        req,
        res,
        describeAnswers: () => describeAnswers(route),
      };
      routed.publish(request);
    }
    next();
  };

/**
 * Spells ids in the path as the database does. A UUID may be sent in capitals (RFC 9562, 4), and
 * would then differ from the same id in a comparison or in an event.
 */
const spellIds: RequestHandler = (req, _res, next) => {
  for (const [name, value] of Object.entries(req.params)) {
    if (typeof value === 'string' && isRowId(value)) req.params[name] = value.toLowerCase();
  }
  next();
};

const run =
  (endpoint: Endpoint): RequestHandler =>
  async (req, res) => {
    await endpoint.handle(req, res);
  };

function parserOf({ takesForm, takesBatch, takesScim }: Endpoint): RequestHandler {
  if (takesScim) return scimBody;
  return takesForm ? formOrJsonBody : takesBatch ? batchBody : jsonBody;
}

/**
 * Orders guards and parser: guards run before the body is parsed, up to the first guard that reads
 * the body. A caller without access cannot make the server parse a body.
 */
function inOrder({ limited, endpoint, ...route }: Route): RequestHandler[] {
  const [authentication, ...others] = route.guards;
  const unlimited = authentication ? [authentication] : [];
  const known = limited ? limitAround(authentication) : unlimited;
  const guards: Guard[] = [...known, admitImpersonated, ...others];
  const first = guards.findIndex(({ readsBody }) => readsBody);
  const before = first === -1 ? guards : guards.slice(0, first);
  const parse = endpoint.body ? [parserOf(endpoint)] : [];
  return [...before, ...parse, ...guards.slice(before.length)];
}

export function mountRoutes(app: Express, table: readonly Route[]): void {
  const methods = new Map<string, string[]>();
  for (const route of table) {
    const { method, path, endpoint, impersonable } = route;
    const first = [nameRoute(path, impersonable), announce(route), spellIds];
    const handlers = [...first, ...inOrder(route), run(endpoint)];
    if (endpoint.takesAnyRequest) {
      app.use(path, ...handlers);
      continue;
    }
    app[method](path, ...handlers);
    methods.set(path, [...(methods.get(path) ?? []), method.toUpperCase()]);
  }
  for (const [path, allowed] of methods) {
    const list = allowed.join(', ');
    // `app.all` would compile the path once for each of express's methods.
    app.route(path).all(nameRoute(path), preflight(list), methodNotAllowed(list));
  }
}

import express from 'express';
import type { Express } from 'express';
import { apiDocsRoutes } from './apiDocs';
import { readAddress } from './http/clientAddress';
import { demoRoutes, startPageRoutes } from './demo';
import { bindServices } from './bindServices';
import type { Deps } from './deps';
import { correlationId } from './http/correlationId';
import { cors } from './http/cors';
import { errorHandler, notFound } from './http/errorHandler';
import { mountRoutes, noStore } from './http/mountRoutes';
import { requestLog } from './http/requestLog';
import { refuseMalformed } from './http/refuseMalformed';
import { attachServices } from './http/services';
import { securityHeaders } from './http/securityHeaders';
import { limited, tagged } from './http/routeTable';
import type { Route } from './http/routeTable';
import { accountTable } from './routeTables/accountTable';
import { directoryTable } from './routeTables/directoryTable';
import { evidenceTable } from './routeTables/evidenceTable';
import { impersonationTable } from './routeTables/impersonationTable';
import { programTable, unlimitedTable } from './routeTables/programTable';
import { tenantTable } from './routeTables/tenantTable';
import { createTrust } from './config/trustProxy';
import { verifyRoutes } from './verify';

/**
 * The whole API, in tables by who calls: a route that is in none of them does not exist. Guards are
 * listed in the order in which they run. A route is open to somebody who acts as another member only
 * if its last word says so.
 */
export function routeTable(deps: Deps): Route[] {
  const table: Route[] = [
    ...limited([
      ...accountTable(deps),
      ...tenantTable(deps),
      ...directoryTable(deps),
      ...impersonationTable(deps),
      ...programTable(deps),
      ...evidenceTable(deps),
    ]),
    ...unlimitedTable(deps),
    ...tagged('Pages', [...verifyRoutes(deps), ...demoRoutes(deps), ...startPageRoutes(deps)]),
  ];
  return [...table, ...apiDocsRoutes(deps, table)];
}

/**
 * Builds the Express application. It does not listen, and it uses no database before the first
 * request.
 */
export function createApp(deps: Deps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const trusts = createTrust(deps.config.trustProxy);
  app.set('trust proxy', (address: string, hop: number) => trusts(readAddress(address), hop));
  app.set('query parser', 'simple');
  app.use(attachServices(bindServices(deps)));
  app.use(correlationId, requestLog(deps), securityHeaders, noStore, cors(deps), refuseMalformed);
  mountRoutes(app, routeTable(deps));
  app.use(notFound);
  app.use(errorHandler);
  return app;
}

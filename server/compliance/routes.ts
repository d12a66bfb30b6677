import type { Request, Response } from 'express';
import type { ComplianceDeps } from './deps';
import { contextOf, principalOf, passageOf } from '../http/request';
import { content } from '../http/answers';
import { endpoint } from '../http/routeTable';
import { exportBundle } from './exportBundle';
import { exportInput, securityEventsInput } from './exportInput';
import { exportSecurityEvents } from './exportSecurityEvents';
import type { ExportSink } from './exportPlan';

const EXPORT_ERRORS = [
  'EXPORT_BUSY',
  'AUDIT_LOG_BUSY',
  'AUDIT_LOG_BROKEN',
  'NOT_FOUND: the tenant is gone',
] as const;

const exporterOf = (req: Request) => ({ principal: principalOf(req), passage: passageOf(req) });

/** Makes the response a file download. Its name is generated and needs no quoting. */
const attachment = (res: Response): ExportSink => ({
  begin({ contentType, filename }) {
    res.status(200);
    res.setHeader('content-type', contentType);
    res.setHeader('content-disposition', `attachment; filename="${filename}"`);
    res.setHeader('cache-control', 'no-store');
    return res;
  },
});

/** Returns the endpoints of `/api/compliance`; the route table has their permissions. */
export function complianceRoutes(deps: ComplianceDeps) {
  return {
    exportBundle: endpoint({
      summary: 'Download the evidence bundle of a range of UTC days as a ZIP',
      body: exportInput,
      responses: { 200: content('The bundle', ['application/zip'], 'content-disposition') },
      errors: EXPORT_ERRORS,
      handle: (req, res, { body }) =>
        exportBundle(deps, contextOf(req), exporterOf(req), body, attachment(res)),
    }),
    exportSecurityEvents: endpoint({
      summary: 'Download the security events of a range of UTC days as CSV, JSON lines or OCSF',
      body: securityEventsInput,
      responses: {
        200: content('The events', ['text/csv', 'application/x-ndjson'], 'content-disposition'),
      },
      errors: EXPORT_ERRORS,
      handle: (req, res, { body }) =>
        exportSecurityEvents(deps, contextOf(req), exporterOf(req), body, attachment(res)),
    }),
  };
}

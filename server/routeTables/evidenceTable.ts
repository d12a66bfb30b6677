import { auditLogRoutes, complianceRoutes } from '../compliance';
import { authenticate, authenticateCaller } from '../http/authenticate';
import { requirePermission } from '../http/requirePermission';
import { requireStepUp } from '../http/requireStepUp';
import { get, named, post, tagged } from '../http/routeTable';
import type { Deps } from '../deps';
import type { Route } from '../http/routeTable';

/** The routes of the exports for auditors. */
function exportTable(deps: Deps): Route[] {
  const compliance = named(complianceRoutes(deps));
  const mayView = [authenticate, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayExport = [...mayView, requireStepUp('data_export', { act: true })];
  return [
    post('/api/compliance/export/bundle', mayExport, compliance.exportBundle),
    post('/api/compliance/export/security-events', mayExport, compliance.exportSecurityEvents),
  ];
}

/** The routes of the audit log and its proofs. */
function auditLogTable(deps: Deps): Route[] {
  const log = named(auditLogRoutes(deps));
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  return [
    get('/api/compliance/audit-logs', mayView, log.auditLogs, 'read'),
    get('/api/compliance/audit-logs/:id', mayView, log.auditEvent, 'read'),
    get('/api/compliance/audit-logs/:id/proof', mayView, log.auditProof),
    get('/api/compliance/checkpoints', mayView, log.checkpoints),
    get('/api/compliance/checkpoints/latest', mayView, log.latestCheckpoint),
    get('/api/compliance/consistency', mayView, log.consistency),
    get('/api/compliance/keys', mayView, log.evidenceKeys),
  ];
}

/** The routes of the audit log, its proofs and the exports for auditors. */
export const evidenceTable = (deps: Deps): Route[] => [
  ...tagged('Exports', exportTable(deps)),
  ...tagged('Audit log', auditLogTable(deps)),
];

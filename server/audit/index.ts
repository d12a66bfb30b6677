export { canonicalJson } from './canonicalJson';
export { AUDIT_ACTIONS, SECURITY_EVENT_ACTIONS } from './actions';
export { recordAudit, toAuditRow } from './recordAudit';
export type { AuditEvent } from './recordAudit';
export { auditRowFromJson } from './store';
export { createSealer } from './log/sealer';
export type { Sealer } from './log/sealer';

export type { AuditParts } from './deps';
export { canonicalJson } from '../../tlog/canonicalJson';
export { AUDIT_ACTIONS, SECURITY_EVENT_ACTIONS } from './actions';
export { appAction } from './actions/appAction';
export { isEndReason } from './actions/impersonationActions';
export type { EndReason } from './actions/impersonationActions';
export { NOTICE_KINDS } from './actions/noticeKinds';
export type { NoticeKind } from './actions/noticeKinds';
export { SSO_REFUSALS } from './actions/ssoRefusals';
export type { SsoRefusal } from './actions/ssoRefusals';
export { recordAudit, recordAudits, toAuditRow } from './recordAudit';
export type { AuditAction } from './actions';
export type { AuditEvent } from './recordAudit';
export { auditRowFromJson } from './auditEventStore';
export { insertReportedRows } from './reportedEventStore';
export type { ReportedRow } from './reportedEventStore';
export { findEventInTree, listEvents } from './auditLogStore';
export type { AuditFilter, EventInTree, PlacedEvent } from './auditLogStore';
export { createSealer } from './log/sealer';
export { originOf } from '../../tlog/checkpoint';
export {
  findCheckpoints,
  listCheckpointsBelow,
  readKeptKeys,
  readTreeSize,
} from './log/checkpointStore';
export type { StoredCheckpoint } from './log/checkpointStore';
export { toLeafEntry } from '../../tlog/leaf';
export { hashLeaf } from '../../tlog/merkleTree';
export { computeSubtreeRoots, proveConsistency, proveInclusion } from './log/prove';
export { findSigner, nameKey, parseNote, signNote, toVkey } from '../../tlog/signedNote';
export { formatTlogProof } from '../../tlog/tlogProof';
export { brokenLog } from './log/treeStore';
export { createEventFeed } from './delivery/feed/eventFeed';
export { checkFeed, moveFeed, readFeedStatus } from './delivery/feed/operateFeed';
export { ocsfLine } from './ocsf/ocsfStore';
export { createCheckpointDeliverer } from './delivery/checkpointDeliverer';

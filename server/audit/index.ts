export { canonicalJson } from './canonicalJson';
export type { Json } from './canonicalJson';
export { AUDIT_ACTIONS, SECURITY_EVENT_ACTIONS } from './actions';
export { recordAudit, toAuditRow } from './recordAudit';
export type { AuditAction } from './actions';
export type { AuditEvent } from './recordAudit';
export { auditRowFromJson } from './store';
export { createSealer } from './log/sealer';
export type { Sealer } from './log/sealer';
export { originOf } from './log/checkpoint';
export {
  findCheckpoints,
  listCheckpointsBelow,
  readKeptKeys,
  readTreeSize,
} from './log/checkpointStore';
export type { StoredCheckpoint } from './log/checkpointStore';
export { toLeafEntry } from './log/leaf';
export { hashLeaf } from './log/merkleTree';
export { computeSubtreeRoots, proveConsistency, proveInclusion } from './log/prove';
export { EVENT_COLUMNS, SEALED_AT } from './log/sealerStore';
export type { EventRow } from './log/sealerStore';
export { findSigner, nameKey, parseNote, signNote, toVkey } from './log/signedNote';
export { formatTlogProof } from './log/tlogProof';
export { systemContext } from './log/systemContext';
export { brokenLog } from './log/treeStore';
export { createEventFeed } from './feed/eventFeed';
export type { EventFeed } from './feed/eventFeed';
export { checkFeed, moveFeed, readFeedStatus } from './feed/operateFeed';
export { ocsfLine } from './ocsf/ocsfStore';
export { createCheckpointDeliverer } from './log/deliver';
export type { CheckpointDeliverer } from './log/deliver';

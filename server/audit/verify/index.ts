export { parseKeys } from './believedKeys';
export type { GivenKeys } from './believedKeys';
export type { GivenCheckpoint } from './earlierHeads';
export { CHECKS, FINDING_KINDS } from './findings';
export type { CheckName, Finding } from './findings';
export { GUARDED } from './guards';
export { NoteFileError, readNotes } from './noteFile';
export { CannotVerifyError, verifyLog } from './verifyLog';
export type { Verification } from './verifyLog';

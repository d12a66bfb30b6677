import type { AuditParts } from '../audit';
import type { SecurityDeps } from '../security';

/** The dependencies that functions of `compliance/` may ask for. */
export type ComplianceDeps = SecurityDeps & AuditParts;

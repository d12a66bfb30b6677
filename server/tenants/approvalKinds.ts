import { z } from 'zod';
import type { Json } from '../../tlog/canonicalJson';
import type { Tx } from '../db';
import type { ApprovalKind } from '../db/schema';
import type { BuiltInPermission } from '../permissions';
import type { Administration } from './administration';
import { prepareStoredAccess } from './changeAccess';
import { prepareRoleChange } from './changeRole';
import { prepareNewRole } from './createRole';
import { prepareStoredInvitation } from './createInvitation';
import type { TenantDeps } from './deps';
import type { PreparedChange } from './requestApproval';
import { roleInput } from './roleInput';
import { preparePolicy } from './tenantPolicy';

/** Prepares a kind of change again when somebody approves it. */
interface WaitingKind {
  /** The permission that the member who asked must still hold. */
  readonly needs: BuiltInPermission;
  /**
   * Prepares the change for an actor.
   * @throws AppError if the actor may not make it, or if something in it does not exist any more
   */
  prepare(
    deps: TenantDeps,
    tx: Tx,
    administration: Administration,
    wanted: Json,
  ): Promise<PreparedChange>;
}

/** A role in the form in which it waits for an approval: a new one has no id. */
const waitingRole = z.strictObject({ id: z.string().optional(), set: roleInput });

/** Every kind of change that can wait for an approval. To add one, add an entry here. */
export const APPROVAL_KINDS: Readonly<Record<ApprovalKind, WaitingKind>> = {
  member: {
    needs: 'TENANT_ROLES_MANAGE',
    prepare: (_deps, tx, administration, wanted) => prepareStoredAccess(tx, administration, wanted),
  },
  role: {
    needs: 'TENANT_ROLES_MANAGE',
    async prepare(deps, tx, administration, wanted) {
      const { id, set } = waitingRole.parse(wanted);
      if (id === undefined) {
        return prepareNewRole(deps, tx, administration, set);
      }
      return (await prepareRoleChange(tx, administration, { id, set })).prepared;
    },
  },
  invitation: {
    needs: 'TENANT_STAFF_MANAGE',
    prepare: (deps, tx, administration, wanted) =>
      prepareStoredInvitation(deps, tx, administration, wanted),
  },
  policy: {
    needs: 'TENANT_ROLES_MANAGE',
    prepare: (_deps, tx, administration, wanted) => preparePolicy(tx, administration, wanted),
  },
};

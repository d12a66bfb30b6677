import { isRowId } from '../db/ids';
import { endSessionOfMember, listSessionsOf, listStaff } from '../tenants';
import type { StaffFilter, StaffView } from '../tenants';
import { CommandError } from './commandError';
import { rolesNamed } from './findRole';
import { staffOf, tenantIdOf } from './findStaff';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import type { Operator } from './operatorContext';
import { oneOf, optional, required } from './options';
import type { Options } from './options';

const PAGE = 200;
const STATUSES = ['active', 'disabled', 'removed'] as const;

async function filterOf(
  operator: Operator,
  tenantId: string,
  options: Options,
): Promise<StaffFilter> {
  const role = optional(options, 'role');
  const [roleId] = role === undefined ? [] : await rolesNamed(operator, tenantId, [role]);
  return {
    search: optional(options, 'search'),
    role: roleId,
    status: oneOf(options, 'status', STATUSES),
  };
}

/**
 * Lists the members of a tenant by address, or those that the options select. Former members are
 * listed only with `--status removed`.
 */
export function listStaffCommand(options: Options, invocation: Invocation) {
  return asOperator(invocation, async (operator) => {
    const tenantId = await tenantIdOf(operator, required(options, 'tenant'));
    const filter = await filterOf(operator, tenantId, options);
    const found: StaffView[] = [];
    let cursor: string | undefined;
    do {
      const page = await listStaff(operator.deps, tenantId, { filter, cursor, limit: PAGE });
      found.push(...page.staff);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    const staff = found
      .filter(({ locked }) => options['locked'] !== true || locked.length > 0)
      .map(({ staffId, email, roles, permissions, status, endsAt, locked }) => {
        const ids = roles.map(({ id }) => id);
        return { staffId, email, roles: ids, permissions, status, endsAt, locked };
      })
      .sort((one, other) => (one.email < other.email ? -1 : 1));
    return { tenantId, staff };
  });
}

/** Lists the live sessions of a member, newest first. */
export function listSessionsCommand(options: Options, invocation: Invocation) {
  return asOperator(invocation, async (operator) => {
    const { tenantId, staffId } = await staffOf(operator, options);
    const sessions: Awaited<ReturnType<typeof listSessionsOf>>['sessions'] = [];
    let cursor: string | undefined;
    do {
      const page = { cursor, limit: PAGE };
      const found = await listSessionsOf(operator.deps, { tenantId, staffId }, page);
      sessions.push(...found.sessions);
      cursor = found.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return { tenantId, staffId, sessions };
  });
}

/** Ends one session of a member. */
export function endSessionCommand(options: Options, invocation: Invocation) {
  const sessionId = required(options, 'session');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const who = { tenantId, staffId };
    if (!isRowId(sessionId)) throw new CommandError(`'${email}' has no session '${sessionId}'.`);
    await endSessionOfMember(deps, ctx, { ...who, sessionId }, { via: 'operator' });
    return { ...who, sessionId, ended: true };
  });
}

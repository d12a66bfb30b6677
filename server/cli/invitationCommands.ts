import {
  INVITATION_STATUSES,
  createInvitation,
  invitationInput,
  listInvitations,
  resendInvitation,
  revokeInvitation,
  showSent,
} from '../tenants';
import type { CommandTable } from './command';
import { CommandError } from './commandError';
import { emailOption, openTenantIdOf, tenantIdOf } from './findStaff';
import { rolesNamed } from './findRole';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { orNoSuch } from './orNoSuch';
import { instantOf, listOf, oneOf, required } from './options';
import type { Options } from './options';

/** Read at a time, until all are listed. */
const PAGE = 200;

function deliveryOf(options: Options): 'mail' | 'link' | undefined {
  const [link, mail] = [options['link'] === true, options['mail'] === true];
  if (link && mail) throw new CommandError('Give --link or --mail, not both.');
  if (link) return 'link';
  return mail ? 'mail' : undefined;
}

function createInvitationCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const delivery = deliveryOf(options);
  if (delivery === undefined) {
    throw new CommandError('Give --mail to send the link by mail, or --link to print it.');
  }
  const email = emailOption(options, 'email');
  const permissions = listOf(options, 'permissions');
  const membershipEndsAt = instantOf(options, 'ends-at')?.toISOString() ?? null;
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await openTenantIdOf(operator, slug);
    const authority = { via: 'operator' as const, tenantId };
    const roles = await rolesNamed(operator, tenantId, listOf(options, 'role'));
    const promised = { email, roles, permissions, delivery };
    const input = invitationInput.parse({ ...promised, membershipEndsAt });
    const done = await createInvitation(deps, ctx, authority, input);
    if (done.approval) throw new CommandError('An operator needs no approval.');
    return showSent(deps, done);
  });
}

function listInvitationsCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const status = oneOf(options, 'status', INVITATION_STATUSES);
  return asOperator(invocation, async (operator) => {
    const { deps } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const invitations = [];
    let cursor: string | undefined;
    do {
      const page = await listInvitations(deps, tenantId, { status, cursor, limit: PAGE });
      invitations.push(...page.invitations);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return { invitations };
  });
}

function resendInvitationCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const which = { id: required(options, 'invitation'), delivery: deliveryOf(options) };
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const authority = { via: 'operator' as const, tenantId: await tenantIdOf(operator, slug) };
    const sent = resendInvitation(deps, ctx, authority, which);
    return showSent(deps, await orNoSuch('invitation', which.id, sent));
  });
}

function revokeInvitationCommand(options: Options, invocation: Invocation) {
  const slug = required(options, 'tenant');
  const id = required(options, 'invitation');
  return asWriter(options, invocation, async (operator) => {
    const { deps, ctx } = operator;
    const tenantId = await tenantIdOf(operator, slug);
    const revoked = revokeInvitation(deps, ctx, { tenantId, id }, 'operator');
    await orNoSuch('invitation', id, revoked);
    return { tenantId, invitationId: id, revoked: true };
  });
}

/** The commands that invite people. */
export const INVITATION_COMMANDS: CommandTable = {
  'invitations create': {
    summary: 'Invites somebody to a tenant.',
    usage:
      '--tenant S --email E (--mail | --link) [--role R,S] [--permissions A,B] [--ends-at INSTANT]',
    example: '--tenant globex --email ann@globex.example --role owner --link',
    says: {
      role: 'The roles to give, by id or name; none if omitted.',
      permissions: 'Permissions beside those of the roles; none if omitted.',
      'ends-at': 'When the membership ends by itself; never if omitted.',
    },
    writes: true,
    run: createInvitationCommand,
  },
  'invitations list': {
    summary: 'Lists the invitations of a tenant, newest first, without their links.',
    usage: '--tenant S [--status X]',
    example: '--tenant globex --status open',
    says: { status: 'Only those that are open, accepted, revoked or expired.' },
    run: listInvitationsCommand,
  },
  'invitations resend': {
    summary: 'Sends an invitation again, with a new link; the earlier link ends.',
    usage: '--tenant S --invitation ID [--mail | --link]',
    example: '--tenant globex --invitation 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11 --link',
    writes: true,
    run: resendInvitationCommand,
  },
  'invitations revoke': {
    summary: 'Ends the link of an open invitation.',
    usage: '--tenant S --invitation ID',
    example: '--tenant globex --invitation 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11',
    writes: true,
    run: revokeInvitationCommand,
  },
};

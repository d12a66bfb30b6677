import type { EndReason } from '../audit';
import { DAY_MS } from '../durations';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { MailDeps } from './deps';
import { readAddressee } from './mailStore';
import type { NoticeDeps } from './notices';
import { toLine, withoutLinks } from './plainText';
import { queueMail } from './queueMail';

const MOST_NAME = 80;
const MOST_REASON = 500;
/** Longer than a weekend without a mail server. */
const WORTH_SENDING_MS = 3 * DAY_MS;

const inUtc = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The contents of a mail about an impersonation. */
export interface ImpersonationFacts {
  /** The staff id of the member who acts. */
  actorStaffId: string;
  scope: 'read_only' | 'full';
  reason: string;
  ticket: string | null;
  startedAt: Date;
  expiresAt: Date;
  /** Only at the end: when, why, and what was opened. */
  ended?: {
    at: Date;
    why: EndReason;
    opened: readonly { route: string; times: number }[];
    /** The number of requests that were refused. */
    refused: number;
  };
}

/** What somebody saw or did, for each route that is open to those who act as another member. */
export const IMPERSONATED_ROUTES: Readonly<Record<string, string>> = {
  'GET /api/auth/me': 'your name, address, roles and permissions',
  'GET /api/security/locked-accounts': 'the list of locked accounts',
  'GET /api/security/risk-decisions': 'the list of risk decisions',
  'GET /api/security/risk-decisions/:id': 'one risk decision',
  'GET /api/tenants/staff': 'the list of members',
  'GET /api/tenants/staff/:id': 'one member',
  'GET /api/tenants/staff/:id/sessions': 'the sessions of a member',
  'GET /api/tenants/current': 'the name of the organisation',
  'GET /api/tenants/permissions': 'the list of permissions',
  'GET /api/tenants/roles': 'the list of roles',
  'GET /api/tenants/roles/:id': 'one role',
  'GET /api/tenants/approvals': 'the list of changes that wait for approval',
  'GET /api/tenants/approvals/:id': 'one change that waits for approval',
  'GET /api/tenants/invitations': 'the list of invitations',
  'GET /api/tenants/invitations/:id': 'one invitation',
  'DELETE /api/tenants/invitations/:id': 'an invitation, which was revoked',
  'GET /api/compliance/audit-logs': 'the audit log',
  'GET /api/compliance/audit-logs/:id': 'one event of the audit log',
};

/** Says in words how an impersonation ended. */
const ENDED: Record<EndReason, string> = {
  stopped: 'they stopped',
  expired: 'its time was over',
  actor_signed_out: 'they signed out',
  actor_forced_out: 'their own sessions were ended',
  actor_disabled: 'they may no longer sign in',
  permission_taken: 'they may no longer act as others',
  subject_disabled: 'you may no longer sign in',
  subject_sessions_ended: 'all your sessions were ended',
  tenant_closed: 'the organisation was suspended or closed',
  policy_changed: 'the rules of the organisation no longer allow it',
  consent_ended: 'you no longer allow it',
  address_refused: 'they used an address that is not allowed',
  operator: 'an operator of this service ended it',
};

const times = (count: number) => (count === 1 ? 'once' : `${count} times`);

/** Lists what was opened, each thing in words. HEAD asks for no more than GET. */
function listOpened(opened: readonly { route: string; times: number }[]): string[] {
  const counts = new Map<string, number>();
  for (const { route, times: count } of opened) {
    const words = IMPERSONATED_ROUTES[route.replace(/^HEAD /, 'GET ')];
    if (words !== undefined) counts.set(words, (counts.get(words) ?? 0) + count);
  }
  return [...counts].map(([words, count]) => `- ${words}: ${times(count)}`);
}

const MAY = {
  read_only: 'They could see what you can see, and change nothing.',
  full: 'They could see and do what both of you may see and do.',
} as const;

const commonLines = ({ reason, ticket, startedAt }: ImpersonationFacts): string[] => [
  `Reason: ${withoutLinks(reason, MOST_REASON)}`,
  ...(ticket === null ? [] : [`Ticket: ${withoutLinks(ticket, MOST_REASON)}`]),
  `From:   ${inUtc(startedAt)}`,
];

function writeStart(who: string, tenant: string, facts: ImpersonationFacts) {
  const may = MAY[facts.scope].replace('They could', 'They can');
  return {
    subject: `Somebody acts as you: ${tenant}`,
    text: [
      `${who} has begun to act as you at ${tenant}. ${may}`,
      '',
      ...commonLines(facts),
      `Until:  ${inUtc(facts.expiresAt)}, at the latest`,
      '',
      'Your list of sessions shows it as long as it lasts, and another mail at the end says what was opened. Your password and your second factors stay closed to them.',
      '',
      `To end it now, sign out on all devices. If you did not expect it, tell an administrator of ${tenant}.`,
    ],
  };
}

function writeEnd(
  who: string,
  tenant: string,
  facts: ImpersonationFacts & { ended: NonNullable<ImpersonationFacts['ended']> },
) {
  const { at, why, opened, refused } = facts.ended;
  const list = listOpened(opened);
  return {
    subject: `Somebody acted as you: ${tenant}`,
    text: [
      `${who} acted as you at ${tenant}. It has ended: ${ENDED[why]}. ${MAY[facts.scope]}`,
      '',
      ...commonLines(facts),
      `Until:  ${inUtc(at)}`,
      '',
      ...(list.length === 0 ? ['Nothing was opened here.'] : ['What was opened here:', ...list]),
      ...(refused === 0 ? [] : [`Requests that were refused: ${refused}`]),
      '',
      `Other programs of ${tenant} may have been used too. If you did not expect it, tell an administrator of ${tenant}: the audit log has the details.`,
    ],
  };
}

async function queue(
  deps: Pick<MailDeps, 'keys' | 'clock' | 'random'>,
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  facts: ImpersonationFacts,
): Promise<void> {
  const addressee = await readAddressee(tx, tenantId, staffId);
  const actor = await readAddressee(tx, tenantId, facts.actorStaffId);
  if (!addressee) return;
  const tenant = toLine(addressee.tenantName, MOST_NAME);
  const who = actor?.email ?? 'A member';
  const { ended } = facts;
  const { subject, text } = ended
    ? writeEnd(who, tenant, { ...facts, ended })
    : writeStart(who, tenant, facts);
  await queueMail(deps, tx, {
    ...{ tenantId, staffId, userId: addressee.userId, to: addressee.email },
    kind: ended ? 'impersonation_ended' : 'impersonation_started',
    ...{ subject, text: `${text.join('\n')}\n` },
    expiresAt: new Date(deps.clock.now().getTime() + WORTH_SENDING_MS),
  });
}

/**
 * Queues a mail to the person as whom somebody acts, or acted, in the transaction of the beginning
 * or the end. If mail is not available, nothing happens. If the mail table is missing, the mail is
 * skipped with an error in the log: an end must not wait for it.
 * @throws any other database error
 */
export async function queueImpersonationMail(
  deps: NoticeDeps,
  tx: Tx,
  staff: { tenantId: string; staffId: string },
  facts: ImpersonationFacts,
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  try {
    await tx.transaction((inner) => queue(deps, inner, staff, facts));
  } catch (err) {
    if (databaseFault(err) !== 'missing_table') throw err;
    deps.metrics.backgroundFailures.inc({ task: 'queue_notice' });
    deps.logger.error({ err }, 'a mail about an impersonation could not be queued');
  }
}

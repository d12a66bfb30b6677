import { END, START, TENANT } from './copyStore';
import type { ExportFile } from './copyStore';
import { emailOf } from './staffChangeStore';
import { firstOf, instantIn, permissionsIn, stackedRow } from './staffRowStore';

const row = stackedRow({
  subject: 'text',
  email: 'text',
  roles: 'text[]',
  permissions: 'text[]',
  delivery: 'text',
  inviter: 'uuid',
  created_at: 'timestamptz',
  expires_at: 'timestamptz',
  membership_ends_at: 'timestamptz',
  accepted_at: 'timestamptz',
  accepted_by: 'uuid',
  revoked_at: 'timestamptz',
  approved_by: 'text',
  ticket: 'text',
  action: 'text',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  actor: 'text',
  details: 'jsonb',
});

/** Only the expiry and the end of an invitation can change after it was created. */
const INVITATIONS = `SELECT ${row({
  subject: "'invitation:' || i.id",
  email: 'i.email',
  roles: 'i.roles',
  permissions: 'i.permissions',
  delivery: 'i.delivery::text',
  inviter: 'i.inviter_staff_id',
  created_at: 'i.created_at',
  expires_at: 'i.expires_at',
  membership_ends_at: 'i.membership_ends_at',
  accepted_at: `CASE WHEN i.accepted_at < ${END} THEN i.accepted_at END`,
  accepted_by: `CASE WHEN i.accepted_at < ${END} THEN i.staff_id END`,
  revoked_at: `CASE WHEN i.revoked_at < ${END} THEN i.revoked_at END`,
  approved_by: 'i.approved_by::text',
  ticket: 'i.ticket',
})} FROM invitations i WHERE i.tenant_id = ${TENANT} AND i.created_at < ${END}`;

const EVENTS = `SELECT ${row({
  subject: 'e.subject',
  action: 'e.action',
  occurred_at: 'e.occurred_at',
  event_id: 'e.id',
  actor: 'e.actor',
  details: 'e.details',
})} FROM audit_logs e WHERE e.tenant_id = ${TENANT} AND e.outcome = 'success' AND e.occurred_at < ${END}
    AND e.action IN ('INVITATION_CREATED', 'INVITATION_RESENT', 'INVITATION_REVOKED')`;

const SENT = "r.action IN ('INVITATION_CREATED', 'INVITATION_RESENT')";
const first = (what: string, fits: string) => firstOf(what, 'r.occurred_at, r.event_id', fits);
const last = (what: string, fits: string) =>
  firstOf(what, 'r.occurred_at DESC, r.event_id DESC', fits);

/** A later resending changes the delivery and the expiry, so both come from the last sending in or before the range. */
const AT_THE_END = `SELECT substr(r.subject, 12) AS invitation_id, min(r.email) AS email,
    to_jsonb(min(r.roles)) AS roles, to_jsonb(min(r.permissions)) AS permissions, min(r.inviter::text)::uuid AS inviter,
    min(r.created_at) AS created_at, min(r.accepted_at) AS accepted_at, min(r.accepted_by::text)::uuid AS accepted_by,
    min(r.revoked_at) AS revoked_at, min(r.approved_by) AS approved_by, min(r.ticket) AS ticket,
    min(r.membership_ends_at) AS membership_ends_at,
    coalesce(${last("r.details->>'delivery'", SENT)}, min(r.delivery)) AS delivery,
    coalesce(${last(instantIn("r.details->>'expiresAt'"), SENT)}, min(r.expires_at)) AS expires_at,
    count(*) FILTER (WHERE ${SENT}) AS times_sent,
    ${first('r.actor', "r.action = 'INVITATION_CREATED'")} AS actor,
    ${last('r.actor', "r.action = 'INVITATION_REVOKED'")} AS revoked_by,
    ${last("r.details->>'reason'", "r.action = 'INVITATION_REVOKED'")} AS revoke_reason,
    bool_or(r.action = 'INVITATION_CREATED') AS is_recorded
  FROM (${INVITATIONS}\n  UNION ALL ${EVENTS}) r GROUP BY r.subject`;

export const INVITATIONS_FILE: ExportFile = {
  name: 'invitations',
  description:
    'Every invitation that was open at some moment of the range: who invited whom, with which roles, how it was delivered, who approved it, and how it ended. An invitation without an event is shown as unrecorded.',
  controls: [
    {
      criterion: 'CC6.2',
      lookFor:
        "Begin with the rows with record 'unrecorded': somebody created an invitation directly in the database. For each invitation: does the organisation know the person, may the inviter give these roles, and is there an approval? With delivery 'link', the inviter handed the link over.",
      limits: 'Whether a person should have access: only the organisation can say that.',
    },
  ],
  population: {
    of: 'every invitation to this organisation, as it was at the end of the range or at the time of the export if that was earlier. expires_at and delivery are those of the last sending. An empty inviter_id means that an operator invited. email has the address that was invited; inviter_email and accepted_by_email have the addresses at the time of the export',
    filter:
      'created_at is before the end of the range, and the invitation was not accepted, revoked or expired before the range',
  },
  columns: [
    ['invitation_id', 'token', 'l.invitation_id'],
    ['created_at', 'instant', 'l.created_at'],
    ['email', 'text', 'l.email'],
    ['inviter_id', 'token', 'l.inviter'],
    ['inviter_email', 'text', emailOf('l.inviter')],
    ['actor', 'text', 'l.actor'],
    ['approved_by', 'text', 'l.approved_by'],
    ['ticket', 'text', 'l.ticket'],
    ['roles', 'literal', permissionsIn('l.roles')],
    ['permissions', 'literal', permissionsIn('l.permissions')],
    ['delivery', 'token', 'l.delivery'],
    ['times_sent', 'literal', 'l.times_sent'],
    ['expires_at', 'instant', 'l.expires_at'],
    ['membership_ends_at', 'instant', 'l.membership_ends_at'],
    [
      'status',
      'token',
      `CASE WHEN l.accepted_at IS NOT NULL THEN 'accepted' WHEN l.revoked_at IS NOT NULL THEN 'revoked'
      WHEN l.expires_at < least(now(), ${END}) THEN 'expired' ELSE 'open' END`,
    ],
    ['accepted_at', 'instant', 'l.accepted_at'],
    ['accepted_by', 'token', 'l.accepted_by'],
    ['accepted_by_email', 'text', emailOf('l.accepted_by')],
    ['revoked_at', 'instant', 'l.revoked_at'],
    ['revoked_by', 'text', 'CASE WHEN l.revoked_at IS NOT NULL THEN l.revoked_by END'],
    ['revoke_reason', 'text', 'CASE WHEN l.revoked_at IS NOT NULL THEN l.revoke_reason END'],
    ['record', 'token', "CASE WHEN l.is_recorded THEN 'recorded' ELSE 'unrecorded' END"],
  ],
  from: `FROM (${AT_THE_END}) l WHERE l.created_at IS NOT NULL
    AND least(l.accepted_at, l.revoked_at, l.expires_at) >= ${START}`,
  order: 'l.created_at, l.invitation_id COLLATE "C"',
};

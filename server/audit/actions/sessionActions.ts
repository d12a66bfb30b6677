import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { degraded, via } from './detailFields';
import { NOTICE_KINDS } from './noticeKinds';

/** The actions that end sessions, and those of people whose sessions an attacker held. */
export const SESSION_ACTIONS = {
  SESSION_INVALIDATED: {
    details: z.strictObject({
      // `session_limit`: the person signed in once more than the tenant's policy allows, so their oldest session was
      // ended. `tenant_suspended`, `tenant_deleted`: the access of all members ended.
      reason: z.enum([
        'logout',
        'manual',
        'force_logout',
        'reuse_detected',
        'security_event',
        'session_limit',
        'tenant_suspended',
        'tenant_deleted',
      ]),
      sessionVersion: z.number().int().optional(),
      sessionsRevoked: z.number().int(),
      tokensRevoked: z.number().int(),
      degraded,
    }),
    ocsf: [
      {
        class: 'authentication',
        activity: 'Token Revocation',
        severity: 'Low',
        message: 'Tokens were revoked; no session was open',
        where: { detail: 'sessionsRevoked', is: 0 },
        session: 'subject',
      },
      {
        class: 'authentication',
        activity: 'Logoff',
        severity: 'Low',
        message: 'Sessions were ended',
        session: 'subject',
      },
    ],
  },
  // An operator ended the sessions that a failover may have brought back. Each affected person also has an event of
  // their own.
  SESSIONS_ENDED: {
    details: z.strictObject({
      since: z.string(),
      until: z.string().nullable(),
      people: z.number().int().min(1),
      sessions: z.number().int().min(0),
      via,
    }),
    ocsf: {
      class: 'lifecycle',
      activity: 'Session Revocation',
      severity: 'High',
      message: 'An operator ended all sessions that a database failover may have restored',
    },
  },
  // Somebody followed the link in a notice and ended their own sessions.
  NOTICE_ANSWERED: {
    details: z.strictObject({
      kind: z.enum(NOTICE_KINDS),
      passwordExpired: z.boolean().optional(),
    }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'High',
      message:
        'Somebody reported that the event in a notice was not theirs, and ended their sessions',
      has: ['alert', 'evidence'],
    },
  },
  // An attacker held the person's sessions. The counts are the learned devices, networks, countries and addresses
  // that were forgotten.
  STAFF_COMPROMISED: {
    details: z.strictObject({
      via,
      devices: z.number().int(),
      networks: z.number().int(),
      countries: z.number().int(),
      addresses: z.number().int(),
    }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'High',
      message:
        'Sessions of a staff member were used by somebody else; what the risk scorer learned from them was removed',
      has: ['alert'],
    },
  },
} satisfies ActionGroup;

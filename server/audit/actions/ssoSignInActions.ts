import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';
import { SSO_REFUSALS } from './ssoRefusals';

/** Why a link to an identity ended: its member was removed, or somebody ended it. */
const LINK_ENDS = ['member_removed', 'unlinked'] as const;

/**
 * A link to an identity. The subject is in the row of the link alone: providers may put a name or an
 * address into it, and the log cannot be edited.
 */
const identity = z.strictObject({
  linkId: z.string(),
  connectionId: z.string(),
  issuer: z.string(),
  how: z.enum(['domain', 'consent']),
});

/** The actions of signing in at identity providers. */
export const SSO_SIGN_IN_ACTIONS = {
  SSO_SIGN_IN_FAILED: {
    details: z.strictObject({
      connectionId: z.string(),
      /** Absent if the browser came back with no attempt of this connection. */
      kind: z.enum(['login', 'try', 'link']).optional(),
      reason: z.enum(SSO_REFUSALS),
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Logon',
      severity: 'Low',
      message: 'A sign-in at an identity provider was refused',
    },
  },
  // `before` is always null: of one identity, or of one member at one issuer, there is one live link.
  IDENTITY_LINKED: {
    details: z.strictObject({ before: z.null(), after: identity, via }),
    ocsf: {
      class: 'account',
      activity: 'Identity Link',
      severity: 'Medium',
      message: 'An identity at a provider was linked to a member, who can sign in with it',
    },
  },
  IDENTITY_UNLINKED: {
    details: z.strictObject({
      before: identity,
      after: z.null(),
      reason: z.enum(LINK_ENDS),
      via,
    }),
    ocsf: {
      class: 'account',
      activity: 'Identity Unlink',
      severity: 'Low',
      message: 'An identity at a provider no longer signs a member in',
    },
  },
} satisfies ActionGroup;

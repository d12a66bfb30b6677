import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import { instant, key } from './columns';
import { challengeOrigin } from './enums';
import type { StepUpPurpose } from './enums';
import { tenantStaff } from './tenantStaff';
import { userSessions } from './userSessions';
import { tenantRows } from './tenantRows';

/** One request for a step-up, and its result. */
export const stepUpChallenges = pgTable(
  'step_up_challenges',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** Null for a login, which has no session yet. */
    sessionId: uuid('session_id'),
    origin: challengeOrigin('origin').notNull(),
    purpose: text('purpose').$type<StepUpPurpose>().notNull(),
    score: integer('score'),
    reasons: text('reasons')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /** The choice that was made at the login, kept for `login/complete`. */
    rememberMe: boolean('remember_me').notNull().default(false),
    attempts: integer('attempts').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    verifiedAt: instant('verified_at'),
    verifiedMethod: text('verified_method'),
    /** HMAC of the code that was mailed; null if none was. */
    emailCodeHash: text('email_code_hash'),
    emailSentAt: instant('email_sent_at'),
    emailsSent: integer('emails_sent').notNull().default(0),
    /** The challenge that a passkey has to sign; null if no passkey was requested. */
    passkeyChallenge: text('passkey_challenge'),
    /** When the verified challenge was used for its one login, refresh or act. */
    consumedAt: instant('consumed_at'),
    /**
     * The staff member's version when the challenge was opened. A change of it ends the sessions,
     * and the challenge with them. Null in older rows.
     */
    sessionVersion: integer('session_version'),
    /**
     * Only for a refresh: the newest token of the chain, which the 428 handed out. The proof counts
     * for that token only.
     */
    refreshTokenId: uuid('refresh_token_id'),
    /**
     * The one act that needs the proof, in readable form: method and route. Null if the proof
     * counts for a period of time.
     */
    act: text('act'),
    /** SHA-256 of the act, in hex: method, route, target and body. */
    actDigest: text('act_digest'),
    /**
     * HMAC of the answer that verified the challenge. A simultaneous repetition of the same answer
     * gets the same result.
     */
    answerHash: text('answer_hash'),
    /**
     * HMAC of the device id of the browser that began the challenge. Only that browser may use it.
     */
    browserHash: text('browser_hash'),
    /** The login continues only after a second factor is enrolled. */
    mustEnrol: boolean('must_enrol').notNull().default(false),
    /** The login began with the second factor. The password has not been checked yet. */
    passwordDue: boolean('password_due').notNull().default(false),
    /**
     * The connection through which a provider proved the person who signs in; null for every other
     * challenge. The session that the challenge lets in gets it too.
     */
    ssoConnectionId: uuid('sso_connection_id'),
    /** The provider's id of its session; null if it sent none. */
    providerSid: text('provider_sid'),
    /** The values of the provider's `amr` that count for the tenant; null without a provider. */
    providerAmr: text('provider_amr').array(),
    /** When it was ended, together with the sessions or with its factor. */
    revokedAt: instant('revoked_at'),
  },
  (table) => [
    foreignKey({
      name: 'step_up_challenges_staff_fk',
      columns: [table.tenantId, table.staffId, table.userId],
      foreignColumns: [tenantStaff.tenantId, tenantStaff.id, tenantStaff.userId],
    }),
    foreignKey({
      name: 'step_up_challenges_session_fk',
      columns: [table.tenantId, table.sessionId],
      foreignColumns: [userSessions.tenantId, userSessions.id],
    }),
    index('idx_step_up_challenges_session').on(table.sessionId, table.purpose, table.createdAt),
    index('idx_step_up_challenges_staff').on(table.staffId, table.createdAt),
    index('idx_step_up_challenges_created').on(table.createdAt),
    check(
      'step_up_challenges_purpose',
      sql`${table.purpose} IN ('security_settings', 'data_export', 'impersonation') OR ${table.purpose} ~ '^app:[a-z0-9][a-z0-9._-]{0,59}$'`,
    ),
    check('step_up_challenges_attempts', sql`${table.attempts} BETWEEN 0 AND 5`),
    check(
      'step_up_challenges_order',
      sql`${table.consumedAt} IS NULL OR ${table.verifiedAt} IS NOT NULL`,
    ),
    tenantRows('step_up_challenges'),
  ],
);

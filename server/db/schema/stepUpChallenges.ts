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
import { challengeOrigin, stepUpPurpose } from './enums';
import { tenantStaff } from './tenantStaff';
import { userSessions } from './userSessions';

/** One request for a step-up, and how it ended. */
export const stepUpChallenges = pgTable(
  'step_up_challenges',
  {
    id: key(),
    tenantId: uuid('tenant_id').notNull(),
    userId: uuid('user_id').notNull(),
    staffId: uuid('staff_id').notNull(),
    /** Null for a login: there is no session yet. */
    sessionId: uuid('session_id'),
    origin: challengeOrigin('origin').notNull(),
    purpose: stepUpPurpose('purpose').notNull(),
    score: integer('score'),
    reasons: text('reasons')
      .array()
      .notNull()
      .default(sql`'{}'::text[]`),
    /** What the login asked for, kept for `login/complete`. */
    rememberMe: boolean('remember_me').notNull().default(false),
    attempts: integer('attempts').notNull().default(0),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
    verifiedAt: instant('verified_at'),
    verifiedMethod: text('verified_method'),
    /** HMAC of the code that was mailed; null where none was. */
    emailCodeHash: text('email_code_hash'),
    emailSentAt: instant('email_sent_at'),
    emailsSent: integer('emails_sent').notNull().default(0),
    /** What a passkey has to sign; null where none was asked for. */
    passkeyChallenge: text('passkey_challenge'),
    /** When the verified challenge let its one login, refresh or act through. */
    consumedAt: instant('consumed_at'),
    /** The staff member's version when it was opened: whatever ends the sessions ends it too. Null in older rows. */
    sessionVersion: integer('session_version'),
    /** Of a refresh: the chain end that its 428 handed out. The proof opens that chain end alone. */
    refreshTokenId: uuid('refresh_token_id'),
    /** The one act that it was asked for, for people: method and route. Null if it opens a window of time. */
    act: text('act'),
    /** SHA-256 of the act, hex: method, route, target and body. */
    actDigest: text('act_digest'),
    /** HMAC of the answer that verified it: a simultaneous repeat of the same answer gets the same result. */
    answerHash: text('answer_hash'),
    /** HMAC of the device id of the browser that began it: its cookie counts for that browser alone. */
    browserHash: text('browser_hash'),
    /** The login goes on only once a second factor is enrolled. */
    mustEnrol: boolean('must_enrol').notNull().default(false),
    /** A login that began with the factor: the password has not been looked at yet. */
    passwordDue: boolean('password_due').notNull().default(false),
    /** When it was ended with the sessions, or with the factor it was for. */
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
    check('step_up_challenges_attempts', sql`${table.attempts} BETWEEN 0 AND 5`),
    check(
      'step_up_challenges_order',
      sql`${table.consumedAt} IS NULL OR ${table.verifiedAt} IS NOT NULL`,
    ),
  ],
);

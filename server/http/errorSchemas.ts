import { z } from 'zod';
import { stepUpPurpose } from '../stepUpPurpose';
import { ERRORS } from '../errors';
import type { ErrorCode } from '../errors';
import { IMPERSONATION_REFUSALS } from '../impersonationRefusals';
import { moment, rowId } from './answers';
import type { AnswerHeader } from './answers';

/** An error that an endpoint can answer with; after the code, if needed, the case or the body. */
export type ErrorNote = ErrorCode | `${ErrorCode}: ${string}`;

/** Splits a note into its code and the words after it. */
export function readNote(note: ErrorNote): { code: ErrorCode; words: string } {
  const [code = '', ...rest] = note.split(': ');
  return { code: code as ErrorCode, words: rest.join(': ') };
}

const issues = z.array(z.object({ path: z.string(), message: z.string() })).meta({
  description: 'The fields that are not valid',
  examples: [[{ path: 'email', message: 'must be given' }]],
});
const attemptsLeft = z.int().min(0).meta({ description: 'The tries that the challenge has left' });
const person = z.object({
  staffId: z.string(),
  email: z.string(),
});
const forceReason = z.enum(['anomaly_score', 'reuse_detected', 'security_event', 'force_logout']);
const challengeId = z
  .string()
  .meta({ description: 'Send it to /api/security/step-up/verify', examples: ['ch_5XbW3s'] });

const brokenRule = z.string().meta({
  description: 'The rule that was broken; `detail` says it in words',
  examples: ['redirect'],
});

/** The fields that a code adds to its body. */
const EXTRA: Partial<Record<ErrorCode, z.ZodRawShape>> = {
  INVALID_INPUT: { issues: issues.optional() },
  PASSWORD_REFUSED: { reasons: z.array(z.object({ code: z.string(), message: z.string() })) },
  INVALID_CODE: { attemptsLeft: attemptsLeft.optional() },
  INVALID_PASSKEY: { attemptsLeft: attemptsLeft.optional() },
  ENROLMENT_REQUIRED: { mustEnrol: z.literal(true), challengeId: challengeId.optional() },
  RATE_LIMITED: {
    violatedPolicies: z.array(
      z.enum([
        'address',
        'account',
        'tenant',
        'key',
        'events',
        'introspect',
        'ip_rules',
        'domains',
        'domain_checks',
      ]),
    ),
  },
  ROLE_IN_USE: { holders: z.int(), invitations: z.int() },
  IMPERSONATION_REFUSED: {
    refusal: z
      .enum(IMPERSONATION_REFUSALS)
      .meta({ description: 'Why it was refused', examples: ['route'] }),
  },
  INVITATION_OPEN: { invitationId: rowId },
  POLICY_LOCKS_OUT: { people: z.array(person).optional() },
  IP_RULES_LOCK_OUT: {
    address: z.string().nullable(),
    rule: z
      .object({ id: z.string(), action: z.enum(['allow', 'deny']), range: z.string() })
      .nullable()
      .meta({ description: 'The deny rule; null if no allow rule holds the address' }),
  },
  DOMAIN_NOT_ALLOWED: { reason: z.enum(['public_suffix', 'mail_provider']) },
  SSO_ISSUER_REFUSED: { rule: brokenRule },
  SSO_DISCOVERY_FAILED: { rule: brokenRule },
  SSO_PROVIDER_REFUSED: {
    field: z.string().meta({
      description: 'The field of the discovery document',
      examples: ['token_endpoint'],
    }),
    rule: brokenRule,
  },
  TENANT_SELECTION_REQUIRED: {
    tenants: z.array(z.object({ id: rowId, slug: z.string(), name: z.string() })),
  },
  LOGIN_BLOCKED: { reason: z.enum(['anomaly_score']) },
  FORCE_LOGOUT: { reason: forceReason },
  STEP_UP_REQUIRED: {
    requiresStepUp: z.literal(true),
    purpose: stepUpPurpose,
    challengeId,
    methods: z.array(z.string()).meta({ examples: [['totp', 'recovery_code']] }),
    expiresAt: moment.meta({ description: 'When the challenge can no longer be answered' }),
    score: z.int().optional().meta({ description: 'The risk score of a login or a refresh' }),
    reasons: z.array(z.string()).optional().meta({ description: 'The reasons of the score' }),
    refreshToken: z
      .string()
      .optional()
      .meta({ description: 'Only for a refresh: the rotated token, to be used the next time' }),
    mustEnrol: z
      .literal(true)
      .optional()
      .meta({ description: 'The login goes on once a second factor is enrolled' }),
    reason: z
      .literal('NO_FACTOR_ENROLLED')
      .optional()
      .meta({ description: 'Why `methods` is empty' }),
    detail: z.string().optional(),
  },
};

const HEADERS: Partial<Record<ErrorCode, readonly AnswerHeader[]>> = {
  UNAUTHENTICATED: ['www-authenticate'],
  FORCE_LOGOUT: ['www-authenticate'],
  STEP_UP_REQUIRED: ['www-authenticate', 'set-cookie'],
  EVENT_NOT_SEALED: ['retry-after'],
  METHOD_NOT_ALLOWED: ['allow'],
};

/** The statuses whose answers can say when to repeat the request. */
const REPEATABLE: readonly number[] = [429, 503];

/** Returns the headers of an error, besides those of every answer. */
export function errorHeaders(code: ErrorCode): readonly AnswerHeader[] {
  const own = HEADERS[code] ?? [];
  return REPEATABLE.includes(ERRORS[code].status) ? [...own, 'retry-after'] : own;
}

/** `NOT_FOUND` is `NotFound`. */
export const nameOfError = (code: ErrorCode): string =>
  code
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join('');

function describe(code: ErrorCode) {
  const { status, title, fixed } = ERRORS[code];
  const extra = EXTRA[code] ?? {};
  const problem = {
    type: z.literal(`urn:gatehouse:error:${code}`),
    title: z.literal(title),
    status: z.literal(status),
    detail: z
      .string()
      .optional()
      .meta({ description: 'What to do next', examples: [title] }),
    error: z.literal(code),
    correlationId: z.string().meta({ examples: ['0198c2f4-7a51-7cc3-98c4-dc0c0c07398f'] }),
  };
  return z
    .object(fixed ? { error: z.literal(code), ...extra } : { ...problem, ...extra })
    .meta({ id: `${nameOfError(code)}Error`, description: title });
}

type ErrorSchema = ReturnType<typeof describe>;
const schemas = new Map<ErrorCode, ErrorSchema>();

/** Returns the schema of an error's body. */
export function errorSchema(code: ErrorCode): ErrorSchema {
  const schema = schemas.get(code) ?? describe(code);
  schemas.set(code, schema);
  return schema;
}

const unions = new Map<string, z.ZodType>();

function unite(codes: readonly ErrorCode[]): z.ZodType {
  const [first, ...others] = codes.map(errorSchema);
  if (first === undefined) return z.never();
  return others.length === 0 ? first : z.discriminatedUnion('error', [first, ...others]);
}

/** Returns the schema of a body that is one of several errors; the same one for the same codes. */
export function anyErrorOf(codes: readonly ErrorCode[]): z.ZodType {
  const sorted = [...codes].sort();
  const key = sorted.join();
  const union = unions.get(key) ?? unite(sorted);
  unions.set(key, union);
  return union;
}

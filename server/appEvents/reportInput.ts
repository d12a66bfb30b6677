import { z } from 'zod';
import { appAction } from '../audit';
import { boundedArray } from './boundedArray';
import { isWellFormed } from '../http/correlationId';
import { readAddress } from '../http/clientAddress';
import { isShallow } from '../http/isShallow';
import { storableText } from '../http/routeTable';
import { auditOutcome } from '../db/schema';

export const MOST_EVENTS = 100;

/** No type allows as much. The details are compared and hashed before their type is known. */
const MOST_LEVELS = 8;

const rowId = z.guid().toLowerCase();
const memberIds = [z.strictObject({ staffId: rowId }), z.strictObject({ userId: rowId })] as const;
const FOUR_DIGIT_YEAR = /^\d{4}-/;

/** One event as a service reports it. The details are checked later, by the schema of their type. */
const event = z.strictObject({
  action: appAction,
  /** The id or the slug of a tenant. A text that can be an id is read as one. */
  tenant: storableText(63, 1, 'globex'),
  actor: z
    .union([...memberIds, z.strictObject({ name: storableText(200, 1, 'nightly import') })])
    .optional(),
  /** The member as whom the actor acts, during an impersonation. */
  onBehalfOf: z.union(memberIds).optional(),
  subject: storableText(200, 1, 'project:42')
    .refine((text) => /^[a-z][a-z0-9._-]{0,39}:[^\r\n]+$/.test(text), 'must be kind:id')
    .optional(),
  occurredAt: z.iso
    .datetime({ offset: true })
    .refine((text) => FOUR_DIGIT_YEAR.test(text) && !Number.isNaN(Date.parse(text)))
    .optional(),
  address: storableText(64)
    .transform((text, ctx) => {
      const address = readAddress(text);
      if (address === null) ctx.addIssue({ code: 'custom', message: 'must be an IP address' });
      return address ?? '';
    })
    .optional(),
  correlationId: storableText(128)
    .refine(isWellFormed, 'must be 1 to 128 of A-Z a-z 0-9 . _ : -')
    .optional(),
  outcome: z.enum(auditOutcome.enumValues).optional(),
  details: z
    .record(
      z.string().max(40),
      z.unknown().refine((value) => isShallow(value, MOST_LEVELS), 'is nested too deeply'),
    )
    .optional(),
});

export const reportInput = z.strictObject({
  events: boundedArray(event, MOST_EVENTS, 1),
});

export type Reported = z.output<typeof event>;

import { z } from 'zod';
import { moment, nextCursor, rowId } from '../http/answers';

/** A hash in base64. */
const hash = z.string().meta({ examples: ['9Nl7Wl7W2v1mGdQ3rPqk8QmKp1z0vSbA3b1t0yQJmXw='] });

/** An audit event of the caller's tenant. */
export const auditEvent = z
  .object({
    id: rowId,
    tenantId: rowId.nullable(),
    occurredAt: moment,
    action: z.string().meta({ examples: ['AUTH_LOGIN_SUCCEEDED'] }),
    outcome: z.string().meta({ examples: ['success'] }),
    actor: z.string(),
    subject: z.string().nullable(),
    onBehalfOf: z.string().nullable(),
    sessionId: rowId.nullable(),
    ip: z.string().nullable(),
    country: z.string().nullable(),
    userAgent: z.string().nullable(),
    correlationId: z.string(),
    details: z.unknown(),
    leafIndex: z.int().nullable().meta({ description: 'Null until the event is sealed' }),
    sealedAt: moment.nullable(),
  })
  .meta({ id: 'AuditEvent' });

/** A page of audit events. */
export const auditEvents = z
  .object({ events: z.array(auditEvent), nextCursor })
  .meta({ id: 'AuditEventPage' });

/** The proof that an event is in the log. */
export const auditProof = z
  .object({
    event: z.string().meta({ description: 'The entry, as it was hashed' }),
    leafIndex: z.int(),
    leafHash: hash,
    treeSize: z.int(),
    hashes: z.array(hash),
    checkpoint: z.string(),
    tlogProof: z.string().meta({ description: 'All of these as one C2SP tlog-proof' }),
  })
  .meta({ id: 'AuditProof' });

/** A signed checkpoint of the log. */
export const checkpoint = z
  .object({ id: z.int(), size: z.int(), rootHash: hash, note: z.string(), signedAt: moment })
  .meta({ id: 'Checkpoint' });

/** A page of checkpoints. */
export const checkpoints = z
  .object({ checkpoints: z.array(checkpoint), nextCursor })
  .meta({ id: 'CheckpointPage' });

/** The proof that the log only grew. */
export const consistencyProof = z
  .object({
    from: z.int(),
    to: z.int(),
    fromRoot: hash,
    toRoot: hash,
    hashes: z.array(hash),
  })
  .meta({ id: 'ConsistencyProof' });

/** The public keys of checkpoints. */
export const evidenceKeys = z
  .object({
    origin: z.string(),
    keys: z.array(
      z.object({
        keyId: z.string(),
        vkey: z.string(),
        pem: z.string(),
        state: z.enum(['current', 'retired', 'kept']),
        trusted: z.boolean(),
        firstUsedAt: moment.nullable(),
      }),
    ),
  })
  .meta({ id: 'EvidenceKeys' });

import type { Response } from 'express';
import { z } from 'zod';
import { auditOutcome } from '../db/schema';
import { appAction } from '../audit';
import type { ComplianceDeps } from './deps';
import { principalOf } from '../http/request';
import { json } from '../http/answers';
import { endpoint, instant, pageFields, storableText, wholeNumber } from '../http/routeTable';
import {
  auditEvent,
  auditEvents,
  auditProof,
  checkpoint,
  checkpoints,
  consistencyProof,
  evidenceKeys,
} from './auditLogAnswers';
import { ALL_ACTIONS, listAuditLogs, showAuditEvent } from './listAuditLogs';
import { listEvidenceKeys } from './listEvidenceKeys';
import { proveAuditEvent } from './proveAuditEvent';
import { listCheckpoints, showConsistency, showLatestCheckpoint } from './readCheckpoints';

const action = z.union([z.enum(ALL_ACTIONS), appAction]);
const leaves = wholeNumber(Number.MAX_SAFE_INTEGER);
const eventParams = z.object({ id: z.string() });

/** Strict, because a misspelt filter must not return everything. */
const eventQuery = z.strictObject({
  from: instant.optional().describe('The earliest time'),
  to: instant.optional().describe('The time before which events happened'),
  action: z
    .union([action, z.array(action).min(1).max(ALL_ACTIONS.length)])
    .transform((value) => [...new Set([value].flat())])
    .optional()
    .describe('An action; repeat it for several'),
  outcome: z.enum(auditOutcome.enumValues).optional().describe('How the action ended'),
  actor: storableText(200).optional().describe('Who did it, exactly as in the event'),
  subject: storableText(200).optional().describe('What it was done to, exactly as in the event'),
  correlationId: storableText(128).optional().describe('The request of the event'),
  sessionId: z.uuid().optional().describe('The session of the event'),
  ...pageFields,
});

function eventRoutes(deps: ComplianceDeps) {
  return {
    auditLogs: endpoint({
      summary: 'Audit events, newest first, each with its leaf index in the log',
      query: eventQuery,
      responses: { 200: json('A page of events', auditEvents) },
      errors: [],
      async handle(req, res, { query: { cursor, limit, action: actions, ...rest } }) {
        const query = { filter: { ...rest, actions }, cursor, limit };
        res.json(await listAuditLogs(deps, principalOf(req), query));
      },
    }),
    auditEvent: endpoint({
      summary: 'One audit event',
      params: eventParams,
      responses: { 200: json('The event', auditEvent) },
      errors: ['NOT_FOUND'],
      async handle(req, res, { params }) {
        res.json(await showAuditEvent(deps, principalOf(req), params.id));
      },
    }),
    auditProof: endpoint({
      summary: 'Proof that an audit event is in the log that a signed checkpoint covers',
      params: eventParams,
      query: z.strictObject({
        size: leaves
          .optional()
          .describe(
            'The leaves of the checkpoint that it leads to; the newest one if it is not sent',
          ),
      }),
      responses: {
        200: json(
          'The entry, its leaf index, the hashes up to the root, the checkpoint, and all of these as one C2SP tlog-proof',
          auditProof,
        ),
      },
      errors: [
        'INVALID_INPUT: a field is not valid, or that checkpoint is older than the event',
        'NOT_FOUND',
        'CHECKPOINT_NOT_FOUND: no checkpoint of that size was signed',
        'EVENT_NOT_SEALED: repeat the request after Retry-After',
        'AUDIT_LOG_BROKEN: the event or the tree was changed',
      ],
      async handle(req, res, { params, query: { size } }) {
        res.json(await proveAuditEvent(deps, principalOf(req), { id: params.id, size }));
      },
    }),
  };
}

function checkpointRoutes(deps: ComplianceDeps) {
  return {
    checkpoints: endpoint({
      summary: 'Signed checkpoints of the log, newest first',
      query: z.strictObject(pageFields),
      responses: { 200: json('A page of checkpoints', checkpoints) },
      errors: [],
      async handle(req, res, { query }) {
        res.json(await listCheckpoints(deps, principalOf(req), query));
      },
    }),
    latestCheckpoint: endpoint({
      summary: 'The newest signed checkpoint; with Accept: text/plain only the signed note',
      responses: {
        200: {
          description: 'The checkpoint (C2SP tlog-checkpoint)',
          content: { 'application/json': checkpoint, 'text/plain': null },
        },
      },
      errors: ['CHECKPOINT_NOT_FOUND: nothing has been sealed yet'],
      async handle(req, res: Response) {
        const latest = await showLatestCheckpoint(deps, principalOf(req));
        res.vary('accept');
        if (req.accepts(['json', 'text/plain']) === 'text/plain') {
          res.type('text/plain').send(latest.note);
        } else res.json(latest);
      },
    }),
    consistency: endpoint({
      summary: 'Proof that the log only grew between two sizes',
      query: z.strictObject({
        from: leaves.describe('The leaves of the smaller log'),
        to: leaves
          .optional()
          .describe(
            'The leaves of the larger log; those of the newest checkpoint if it is not sent',
          ),
      }),
      responses: {
        200: json('Both roots and the hashes between them (RFC 6962)', consistencyProof),
      },
      errors: [
        'INVALID_INPUT: a field is not valid, or the log has never had one of these sizes',
        'CHECKPOINT_NOT_FOUND: nothing has been sealed yet',
        'AUDIT_LOG_BROKEN: the tree was changed',
      ],
      async handle(req, res, { query }) {
        res.json(await showConsistency(deps, principalOf(req), query));
      },
    }),
    evidenceKeys: endpoint({
      summary: 'Public keys of the checkpoints',
      responses: { 200: json('Keys, today’s first', evidenceKeys) },
      errors: [],
      async handle(req, res) {
        res.json(await listEvidenceKeys(deps, principalOf(req)));
      },
    }),
  };
}

/** Returns the endpoints that read and prove the audit log; the route table has their permissions. */
export const auditLogRoutes = (deps: ComplianceDeps) => ({
  ...eventRoutes(deps),
  ...checkpointRoutes(deps),
});

import type { Request } from 'express';
import { z } from 'zod';
import { stepUpPurpose } from '../db/schema';
import type { Deps } from '../deps';
import { readChallengeCookie } from '../middleware/cookies';
import { contextOf, principalOf } from '../middleware/request';
import { endpoint, storableText } from '../routeTable';
import { confirmTotpEnrollment, startTotpEnrollment } from './enrollTotp';
import { assertStepUp, hasFactor } from './stepUpGate';
import { listOwnFactors, regenerateRecoveryCodes, removeFactor } from './manageFactors';
import { looksLikeRecoveryCode } from './recoveryCode';
import { verifyStepUp } from './verifyStepUp';

const code = z
  .string()
  .transform((value) => value.replaceAll(' ', ''))
  .pipe(z.string().regex(/^\d{6}$/, 'must be six digits'));
/** Of an authenticator, a mail, or a sheet of paper. */
const anyCode = storableText(64)
  .transform((value) => value.replaceAll(' ', ''))
  .refine((value) => /^\d{6}$/.test(value) || looksLikeRecoveryCode(value), {
    message: 'must be six digits or a recovery code',
  });
const verifyBody = z.object({
  code: anyCode,
  purpose: z.enum(stepUpPurpose.enumValues),
  challengeId: storableText(256).optional(),
});
/** What its owner calls a factor. */
const name = storableText(64);
const confirmBody = z.object({ code, name: name.default('Authenticator') });
const factorParams = z.object({ id: z.string() });

/** Replacing a factor takes a proof with the one that is to go; the first one has nothing to ask for. */
async function assertMayChangeFactor(deps: Deps, req: Request): Promise<void> {
  const principal = principalOf(req);
  if (!(await hasFactor(deps, principal))) return;
  await assertStepUp(deps, contextOf(req), principal, 'security_settings');
}

/** Behind a fresh proof, each of them but the list. */
const factorRoutes = (deps: Deps) => ({
  factors: endpoint({
    summary: 'The second factors of the signed-in staff member',
    responses: { 200: 'Factors, and how many recovery codes are left' },
    async handle(req, res) {
      res.json(await listOwnFactors(deps, principalOf(req)));
    },
  }),
  removeFactor: endpoint({
    summary: 'Remove one of your own factors',
    params: factorParams,
    responses: { 204: 'Removed', 404: 'NOT_FOUND', 428: 'STEP_UP_REQUIRED' },
    async handle(req, res, { params }) {
      await removeFactor(deps, contextOf(req), principalOf(req), params.id);
      res.status(204).end();
    },
  }),
  recoveryCodes: endpoint({
    summary: 'Make ten new recovery codes in place of all there were',
    responses: {
      200: 'The codes, shown once',
      409: 'NO_FACTOR',
      428: 'STEP_UP_REQUIRED',
    },
    async handle(req, res) {
      res.json(await regenerateRecoveryCodes(deps, contextOf(req), principalOf(req)));
    },
  }),
});

export const securityRoutes = (deps: Deps) => ({
  ...factorRoutes(deps),
  verifyStepUp: endpoint({
    summary: 'Answer a step-up challenge with a code',
    body: verifyBody,
    responses: {
      200: 'Verified',
      401: 'UNAUTHENTICATED',
      403: 'INVALID_CODE',
      404: 'CHALLENGE_NOT_FOUND',
      409: 'NO_FACTOR',
      429: 'CHALLENGE_EXHAUSTED or TOO_MANY_ATTEMPTS',
    },
    async handle(req, res, { body }) {
      const { code: typed, ...which } = body;
      const answer = { kind: 'code' as const, code: typed };
      const input = { ...which, answer, cookieChallengeId: readChallengeCookie(req) };
      res.json(await verifyStepUp(deps, contextOf(req), req.principal ?? null, input));
    },
  }),
  enrollTotp: endpoint({
    summary: 'Begin to enrol a TOTP authenticator',
    responses: { 200: 'The secret, an otpauth URI and a QR code', 428: 'STEP_UP_REQUIRED' },
    async handle(req, res) {
      await assertMayChangeFactor(deps, req);
      res.json(await startTotpEnrollment(deps, contextOf(req), principalOf(req)));
    },
  }),
  confirmTotp: endpoint({
    summary: 'Finish the enrolment with a code from the new authenticator',
    body: confirmBody,
    responses: { 200: 'Enrolled', 403: 'INVALID_CODE', 404: 'NOT_FOUND', 428: 'STEP_UP_REQUIRED' },
    async handle(req, res, { body }) {
      await assertMayChangeFactor(deps, req);
      res.json(await confirmTotpEnrollment(deps, contextOf(req), principalOf(req), body));
    },
  }),
});

import type { Request, Response } from 'express';
import { z } from 'zod';
import { stepUpPurpose } from '../../stepUpPurpose';
import type { SecurityDeps } from '../deps';
import { readChallengeCookie, readDeviceCookie } from '../../http/cookies';
import { callerIfAny, contextOf, passageOf, principalOf } from '../../http/request';
import { json, noBody } from '../../http/answers';
import { endpoint, storableText } from '../../http/routeTable';
import { identifyDevice } from '../risk/devices';
import { confirmTotpEnrollment, startTotpEnrollment } from './enrollTotp';
import { authenticationResponse } from './passkeyInput';
import { listOwnFactors, regenerateRecoveryCodes, removeFactor } from './manageFactors';
import { looksLikeRecoveryCode } from './recoveryCode';
import { readBoundChallenge } from '../risk/settleDevice';
import { STARTED_METHODS, startStepUp } from './startStepUp';
import {
  confirmedTotp,
  newRecoveryCodes,
  newTotp,
  ownFactors,
  startedMethod,
  verifiedStepUp,
} from './stepUpAnswers';
import { readTypedCode } from './typedCode';
import { verifyStepUp } from './verifyStepUp';

/** A code, without the spaces and other characters that people paste or type around it. */
const typedCode = storableText(256, 1, '492039').transform(readTypedCode);
const code = typedCode.pipe(z.string().regex(/^\d{6}$/, 'must be six digits'));
/** A code from an authenticator, a mail or a list of recovery codes. */
const anyCode = typedCode.refine((value) => /^\d{6}$/.test(value) || looksLikeRecoveryCode(value), {
  message: 'must be six digits or a recovery code',
});
const verifyBody = z
  .object({
    code: anyCode.optional(),
    passkey: authenticationResponse.optional(),
    purpose: stepUpPurpose,
    challengeId: storableText(256).optional(),
  })
  .meta({
    oneOf: [{ required: ['code'] }, { required: ['passkey'] }],
  })
  .transform(({ code: typed, passkey, ...which }, { issues }) => {
    if (typed !== undefined && passkey === undefined) {
      return { ...which, answer: { kind: 'code' as const, code: typed } };
    }
    if (passkey !== undefined && typed === undefined) {
      return { ...which, answer: { kind: 'passkey' as const, response: passkey } };
    }
    const message = 'must be given, or passkey instead, but not both';
    issues.push({ code: 'custom', input: undefined, path: ['code'], message });
    return z.NEVER;
  });
const startBody = z.object({
  method: z.enum(STARTED_METHODS),
  purpose: stepUpPurpose,
  challengeId: storableText(256).optional(),
});
/** The owner's name for a factor. */
const name = storableText(64);
const confirmBody = z.object({
  code,
  name: name.default('Authenticator'),
  /** The challenge of a login that must enrol a factor first; it replaces an access token. */
  challengeId: storableText(256).optional(),
});
const factorParams = z.object({ id: z.string() });

/** Reads the challenge in the cookie, if this browser began it. */
function challengeOf(deps: SecurityDeps, req: Request): Promise<string | undefined> {
  const { keys, random } = deps;
  const device = identifyDevice(keys, random, readDeviceCookie(req), null);
  return readBoundChallenge(deps, readChallengeCookie(req), device);
}

/** All of these routes except the list need a fresh proof. */
const factorRoutes = (deps: SecurityDeps) => ({
  factors: endpoint({
    summary: 'The second factors of the signed-in staff member',
    responses: { 200: json('Factors, and how many recovery codes are left', ownFactors) },
    errors: [],
    async handle(req, res) {
      res.json(await listOwnFactors(deps, principalOf(req)));
    },
  }),
  removeFactor: endpoint({
    summary: 'Remove one of your own factors',
    params: factorParams,
    responses: { 204: noBody('Removed') },
    errors: ['NOT_FOUND', 'POLICY_LOCKS_OUT', 'CONFLICT'],
    async handle(req, res, { params }) {
      await removeFactor(deps, contextOf(req), principalOf(req), passageOf(req), params.id);
      res.status(204).end();
    },
  }),
  recoveryCodes: endpoint({
    summary: 'Make ten new recovery codes, which replace all earlier ones',
    responses: { 200: json('The codes, shown once', newRecoveryCodes) },
    errors: ['NO_FACTOR'],
    async handle(req, res) {
      const passage = passageOf(req);
      res.json(await regenerateRecoveryCodes(deps, contextOf(req), principalOf(req), passage));
    },
  }),
});

export const securityRoutes = (deps: SecurityDeps) => ({
  ...factorRoutes(deps),
  startStepUp: endpoint({
    summary: 'Start a step-up method that needs preparation',
    body: startBody,
    responses: { 200: json('The data of the method for the client', startedMethod) },
    errors: [
      'INVALID_INPUT: a field is not valid, or the method needs no start',
      'UNAUTHENTICATED',
      'FORCE_LOGOUT',
      'CHALLENGE_NOT_FOUND',
      'METHOD_UNAVAILABLE',
      'CHALLENGE_ID_REQUIRED',
      'CHALLENGE_EXHAUSTED',
      'TOO_MANY_ATTEMPTS',
      'IP_BLOCKED',
    ],
    async handle(req, res: Response, { body }) {
      const input = { ...body, cookieChallengeId: await challengeOf(deps, req) };
      res.json(await startStepUp(deps, contextOf(req), callerIfAny(req), input));
    },
  }),
  verifyStepUp: endpoint({
    summary: 'Answer a step-up challenge with a code or a passkey',
    body: verifyBody,
    responses: { 200: json('Verified', verifiedStepUp) },
    errors: [
      'UNAUTHENTICATED',
      'FORCE_LOGOUT',
      'INVALID_CODE',
      'INVALID_PASSKEY',
      'CHALLENGE_NOT_FOUND',
      'NO_FACTOR',
      'CHALLENGE_ID_REQUIRED',
      'CHALLENGE_EXHAUSTED',
      'TOO_MANY_ATTEMPTS',
    ],
    async handle(req, res, { body }) {
      const input = { ...body, cookieChallengeId: await challengeOf(deps, req) };
      res.json(await verifyStepUp(deps, contextOf(req), callerIfAny(req), input));
    },
  }),
  enrollTotp: endpoint({
    summary: 'Begin to enrol a TOTP authenticator',
    responses: { 200: json('The secret, an otpauth URI and a QR code', newTotp) },
    errors: ['METHOD_UNAVAILABLE', 'TOO_MANY_FACTORS', 'TOO_MANY_ATTEMPTS'],
    async handle(req, res) {
      const passage = passageOf(req);
      res.json(await startTotpEnrollment(deps, contextOf(req), principalOf(req), passage));
    },
  }),
  confirmTotp: endpoint({
    summary: 'Finish the enrolment with a code from the new authenticator',
    body: confirmBody,
    responses: { 200: json('Enrolled', confirmedTotp) },
    errors: [
      'INVALID_CODE',
      'NOT_FOUND: no enrolment is open',
      'CHALLENGE_NOT_FOUND',
      'METHOD_UNAVAILABLE',
      'TOO_MANY_FACTORS',
      'TOO_MANY_ATTEMPTS',
      'IP_BLOCKED',
    ],
    async handle(req, res, { body }) {
      res.json(await confirmTotpEnrollment(deps, contextOf(req), principalOf(req), body));
    },
  }),
});

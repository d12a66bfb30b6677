import type { Response } from 'express';
import { z } from 'zod';
import type { SecurityDeps } from '../deps';
import { contextOf, passageOf, principalOf } from '../../http/request';
import { json } from '../../http/answers';
import { endpoint, storableText } from '../../http/routeTable';
import { registrationResponse } from './passkeyInput';
import { passkeyCreationOptions, registeredPasskey } from './stepUpAnswers';
import { finishPasskeyRegistration, startPasskeyRegistration } from './registerPasskey';

const finishBody = z.object({
  name: storableText(64),
  response: registrationResponse,
  /** The challenge of a login that must enrol a factor first; it replaces an access token. */
  challengeId: storableText(256).optional(),
});

/** The routes that register a passkey. */
export const passkeyRoutes = (deps: SecurityDeps) => ({
  startPasskey: endpoint({
    summary: 'Begin to register a passkey',
    responses: { 200: json('PublicKeyCredentialCreationOptionsJSON', passkeyCreationOptions) },
    errors: ['TOO_MANY_FACTORS', 'METHOD_UNAVAILABLE', 'TOO_MANY_ATTEMPTS'],
    async handle(req, res: Response) {
      const passage = passageOf(req);
      res.json(await startPasskeyRegistration(deps, contextOf(req), principalOf(req), passage));
    },
  }),
  finishPasskey: endpoint({
    summary: 'Finish the registration with the response of the authenticator',
    body: finishBody,
    responses: { 200: json('Registered', registeredPasskey) },
    errors: [
      'INVALID_PASSKEY',
      'NOT_FOUND: no registration is open',
      'CHALLENGE_NOT_FOUND',
      'PASSKEY_EXISTS',
      'TOO_MANY_FACTORS',
      'METHOD_UNAVAILABLE',
    ],
    async handle(req, res, { body }) {
      res.json(await finishPasskeyRegistration(deps, contextOf(req), principalOf(req), body));
    },
  }),
});

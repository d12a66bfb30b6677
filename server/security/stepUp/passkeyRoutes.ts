import { z } from 'zod';
import type { SecurityDeps } from '../deps';
import { contextOf, passageOf, principalOf } from '../../http/request';
import { endpoint, storableText } from '../../http/routeTable';
import { registrationResponse } from './passkeyInput';
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
    responses: {
      200: 'PublicKeyCredentialCreationOptionsJSON',
      409: 'TOO_MANY_FACTORS or METHOD_UNAVAILABLE',
      428: 'STEP_UP_REQUIRED',
      429: 'TOO_MANY_ATTEMPTS',
    },
    async handle(req, res) {
      const passage = passageOf(req);
      res.json(await startPasskeyRegistration(deps, contextOf(req), principalOf(req), passage));
    },
  }),
  finishPasskey: endpoint({
    summary: 'Finish the registration with the response of the authenticator',
    body: finishBody,
    responses: {
      200: 'Registered',
      403: 'INVALID_PASSKEY',
      404: 'NOT_FOUND',
      409: 'PASSKEY_EXISTS, TOO_MANY_FACTORS or METHOD_UNAVAILABLE',
    },
    async handle(req, res, { body }) {
      res.json(await finishPasskeyRegistration(deps, contextOf(req), principalOf(req), body));
    },
  }),
});

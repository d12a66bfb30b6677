import type { Request, Response } from 'express';
import { z } from 'zod';
import {
  answerSignIn,
  deviceOf,
  refuseOtherOrigins,
  tokens,
  withChallengeCookie,
} from '../../auth';
import { SECOND_MS } from '../../durations';
import { clearSsoCookie, readSsoCookie, setSsoCookie } from '../../http/cookies';
import { emailField, normalizeSlug } from '../../http/emailAddress';
import { json, noBody } from '../../http/answers';
import { contextOf } from '../../http/request';
import { endpoint, storableText } from '../../http/routeTable';
import type { SsoDeps } from '../deps';
import { ATTEMPT_SEC } from './ssoAttemptStore';
import type { BegunAttempt } from './beginAttempt';
import { completeSignIn } from './completeSignIn';
import { discoverSignIn } from './discoverSignIn';
import { receiveCallback } from './receiveCallback';
import { shownWays, startedSignIn } from './signInAnswers';
import { startSignIn } from './startSignIn';

const discoverBody = z
  .strictObject({
    email: emailField.optional(),
    tenant: storableText(63, 1, 'globex').transform(normalizeSlug).optional(),
  })
  .superRefine(({ email, tenant }, context) => {
    if ((email === undefined) !== (tenant === undefined)) return;
    const message = email === undefined ? 'email or tenant must be given' : 'only one can be given';
    context.addIssue({ code: 'custom', path: ['email'], message });
  })
  // zod drops `examples` of a schema that transforms.
  .meta({ example: { email: 'ann@globex.example' } });
const startBody = z.strictObject({
  connectionId: storableText(64, 1, '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f'),
  rememberMe: z.boolean().default(false),
});
const completeBody = z
  .strictObject({
    refreshCookie: z.boolean().default(false).meta({
      description: 'true: the refresh token is in the cookie `__Host-refresh`, not in the body',
    }),
  })
  .optional();
const callbackParams = z.object({ connection: z.string() });

/** Sets the cookie of an attempt, and returns what its page is told. */
export function sendToProvider(
  req: Request,
  res: Response,
  { authorizationUrl, expiresAt, cookie }: BegunAttempt,
) {
  setSsoCookie(req, res, cookie, ATTEMPT_SEC * SECOND_MS);
  return { authorizationUrl, expiresAt };
}

const beginRoutes = (deps: SsoDeps) => ({
  discoverSignIn: endpoint({
    summary: 'How somebody signs in: by the domain of their address, or by their tenant',
    body: discoverBody,
    responses: { 200: json('The ways; of the same form for everybody', shownWays) },
    errors: [],
    async handle(_req, res, { body }) {
      res.json(await discoverSignIn(deps, body));
    },
  }),
  startSsoSignIn: endpoint({
    summary: 'Begin a sign-in at an identity provider',
    body: startBody,
    responses: { 200: json('Where to send the browser', startedSignIn, 'set-cookie') },
    errors: [
      'NOT_FOUND: the connection is unknown or deleted',
      'ORIGIN_REFUSED',
      'TOO_MANY_SSO_ATTEMPTS',
      'SSO_UNAVAILABLE',
    ],
    async handle(req, res, { body }) {
      refuseOtherOrigins(req);
      const begun = await startSignIn(deps, contextOf(req), body);
      res.json(sendToProvider(req, res, begun));
    },
  }),
});

/** The routes by which people sign in at an identity provider. */
export const ssoSignInRoutes = (deps: SsoDeps) => ({
  ...beginRoutes(deps),
  ssoCallback: endpoint({
    summary: 'Where a provider sends the browser back to; it opens no session',
    params: callbackParams,
    responses: {
      303: noBody('The page of the product, with `?sso=done` or `?sso=refused`', 'location'),
    },
    errors: ['SSO_UNAVAILABLE'],
    async handle(req, res, { params }) {
      const { originalUrl } = req;
      const at = originalUrl.indexOf('?');
      const query = at === -1 ? '' : originalUrl.slice(at);
      const returning = { connectionId: params.connection, cookie: readSsoCookie(req), query };
      const url = await receiveCallback(deps, contextOf(req), returning);
      res.status(303).setHeader('location', url).end();
    },
  }),
  completeSsoSignIn: endpoint({
    summary:
      'Finish a sign-in at an identity provider, from the page to which the browser returned',
    body: completeBody,
    responses: { 200: json('Tokens', tokens, 'set-cookie') },
    errors: [
      'SSO_REFUSED',
      'LOGIN_BLOCKED',
      'ORIGIN_REFUSED',
      'ENROLMENT_REQUIRED',
      'STEP_UP_REQUIRED: finish with /api/auth/login/complete',
      'IP_BLOCKED',
      'IP_RULES_UNAVAILABLE',
    ],
    async handle(req, res, { body }) {
      refuseOtherOrigins(req);
      const device = deviceOf(deps, req);
      const { refreshCookie = false } = body ?? {};
      await answerSignIn(deps, { req, res, device, refreshCookie }, async (listeners) => {
        const input = { cookie: readSsoCookie(req), device, ...listeners };
        const work = completeSignIn(deps, contextOf(req), input);
        const signedIn = await withChallengeCookie(req, res, device, work);
        clearSsoCookie(req, res);
        return signedIn;
      });
    },
  }),
});

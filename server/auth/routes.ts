import type { Request, Response } from 'express';
import { z } from 'zod';
import { assertRowId } from '../db/ids';
import type { AuthDeps } from './deps';
import { emailField, normalizeSlug } from '../http/emailAddress';
import { AppError } from '../errors';
import { clearChallengeCookie, setChallengeCookie, setDeviceCookie } from '../http/cookies';
import { contextOf, principalOf } from '../http/request';
import { json, noBody } from '../http/answers';
import { endpoint, storableText } from '../http/routeTable';
import { answerSignIn, challengeOf, deviceOf, withChallengeCookie } from './answerSignIn';
import type { SignInListeners } from './answerSignIn';
import {
  begunLogin,
  keySet,
  ownSessions,
  showImpersonation,
  signedInMember,
  tokens,
} from './authAnswers';
import { beginLogin } from './beginLogin';
import { completeLogin } from './completeLogin';
import { endSession, logout, logoutAll, logoutByToken } from './endSessions';
import { nameRoles } from './nameRoles';
import { listOwnSessions } from './listOwnSessions';
import { login } from './login';
import { noticeRoutes } from './noticeRoutes';
import { ownProofRoutes } from './ownProof/ownProofRoutes';
import { passwordField } from './passwords/passwordField';
import { readHasPassword } from './passwords/passwordOwnerStore';
import { passwordRoutes } from './passwords/passwordRoutes';
import { refresh } from './refresh';
import {
  endCookieSession,
  endPresentedSession,
  presentedCookie,
  throughCookie,
} from './refreshCookie';
import type { RefreshInput } from './rotate';

const challengeId = storableText(256);
/** The client keeps no refresh token: it is set as a cookie and left out of the body. */
const refreshCookie = z.boolean().default(false).meta({
  description: 'true: the refresh token is in the cookie `__Host-refresh`, not in the body',
});

const loginBody = z.object({
  email: emailField,
  password: passwordField,
  tenant: storableText(63).transform(normalizeSlug).optional(),
  rememberMe: z.boolean().default(false),
  challengeId: challengeId.optional(),
  refreshCookie,
});
/**
 * Long enough for an access token: one sent here by mistake is an invalid token, not a malformed
 * body.
 */
const tokenBody = z.object({ refreshToken: storableText(4096) });
/** If the body holds no token, the one in the cookie is used. */
const refreshBody = tokenBody.partial().extend({ refreshCookie });
const logoutBody = tokenBody.partial().optional();
const beginBody = z.object({
  email: emailField,
  tenant: storableText(63).transform(normalizeSlug).optional(),
  rememberMe: z.boolean().default(false),
});
const completeBody = z.object({ challengeId: challengeId.optional(), refreshCookie }).optional();
/**
 * Also the default: the list was once unpaged with this limit, so a client that does not page
 * misses none.
 */
const MOST_SESSIONS = 500;
const sessionsQuery = z.object({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_SESSIONS)
    .default(MOST_SESSIONS)
    .describe('The most entries of the page'),
  cursor: z.string().max(200).optional().describe('The `nextCursor` of the page before'),
});
const sessionParams = z.object({ id: z.string() });
/** Visible ASCII only: a header carries it unchanged. */
const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'Idempotency-Key must be 1 to 255 visible ASCII characters')
  .optional();

/**
 * Clears the browser's cached answers of the person who was signed in (ASVS 14.3.1). It keeps the
 * storage, which is shared by every application of the origin and which the client clears itself.
 * It keeps the cookies, which belong to the whole domain: the device cookie identifies a known
 * device at the next sign-in.
 */
function signedOut(req: Request, res: Response): void {
  clearChallengeCookie(req, res);
  res.setHeader('clear-site-data', '"cache"');
  res.status(204).end();
}

function signInRoutes(deps: AuthDeps) {
  return {
    login: endpoint({
      summary: 'Sign in with e-mail and password',
      body: loginBody,
      responses: { 200: json('Tokens', tokens, 'set-cookie') },
      errors: [
        'INVALID_CREDENTIALS',
        'LOGIN_BLOCKED',
        'ORIGIN_REFUSED',
        'TENANT_SELECTION_REQUIRED: the password was right, and there are several tenants',
        'ENROLMENT_REQUIRED',
        'STEP_UP_REQUIRED',
        'TOO_MANY_ATTEMPTS',
        'HASHING_BUSY',
        'IP_BLOCKED: only after the right password',
        'IP_RULES_UNAVAILABLE',
      ],
      async handle(req, res, { body }) {
        const device = deviceOf(deps, req);
        const { refreshCookie, rememberMe } = body;
        await answerSignIn(
          deps,
          { req, res, device, refreshCookie },
          async ({ onDevice, onIssued }) => {
            const challengeId = body.challengeId ?? (await challengeOf(deps, req, device));
            const work = login(deps, contextOf(req), { ...body, challengeId, device, onDevice });
            const tokens = await withChallengeCookie(req, res, device, work);
            const { refreshToken, refreshExpiresAt } = tokens;
            onIssued({ refreshToken, expiresAt: new Date(refreshExpiresAt), rememberMe });
            return tokens;
          },
        );
      },
    }),
    completeLogin: endpoint({
      summary: 'Finish a login whose challenge was verified',
      body: completeBody,
      takesIdempotencyKey: true,
      responses: { 200: json('Tokens', tokens, 'set-cookie') },
      errors: [
        'INVALID_CREDENTIALS: the sessions of this person were ended in the meantime',
        'LOGIN_BLOCKED',
        'ORIGIN_REFUSED',
        'CHALLENGE_NOT_FOUND',
        'CHALLENGE_NOT_VERIFIED',
        'ENROLMENT_REQUIRED',
        'IP_BLOCKED',
        'IP_RULES_UNAVAILABLE',
      ],
      async handle(req, res, { body }) {
        const device = deviceOf(deps, req);
        const { refreshCookie = false } = body ?? {};
        await answerSignIn(deps, { req, res, device, refreshCookie }, async (listeners) => {
          const id = body?.challengeId ?? (await challengeOf(deps, req, device));
          if (id === undefined) throw new AppError('CHALLENGE_NOT_FOUND');
          const key = idempotencyKey.parse(req.headers['idempotency-key']);
          const input = { challengeId: id, idempotencyKey: key, device, ...listeners };
          return completeLogin(deps, contextOf(req), input);
        });
      },
    }),
  };
}

function refreshRoutes(deps: AuthDeps) {
  return {
    refresh: endpoint({
      summary: 'Rotate a refresh token',
      body: refreshBody,
      takesRefreshCookie: true,
      takesIdempotencyKey: true,
      responses: { 200: json('Tokens', tokens, 'set-cookie') },
      errors: [
        'INVALID_REFRESH_TOKEN',
        'FORCE_LOGOUT',
        'ORIGIN_REFUSED: the cookie came from a page of another origin',
        'STEP_UP_REQUIRED: with the rotated token, if it is not in the cookie',
        'IP_BLOCKED: the token is as it was',
        'IP_RULES_UNAVAILABLE: the token is as it was',
      ],
      async handle(req, res, { body }) {
        const key = idempotencyKey.parse(req.headers['idempotency-key']);
        const device = deviceOf(deps, req);
        const rotate = (input: Pick<RefreshInput, 'refreshToken' | 'onIssued'>) => {
          const work = refresh(deps, contextOf(req), { ...input, idempotencyKey: key, device });
          return withChallengeCookie(req, res, device, work);
        };
        const inCookie =
          body.refreshToken === undefined
            ? presentedCookie(req, res, body.refreshCookie)
            : undefined;
        if (inCookie === undefined) return void res.json(await rotate(tokenBody.parse(body)));
        const work = (onIssued: SignInListeners['onIssued']) =>
          rotate({ refreshToken: inCookie, onIssued });
        res.json(await throughCookie(deps, req, res, work));
      },
    }),
  };
}

function signOutRoutes(deps: AuthDeps) {
  return {
    logout: endpoint({
      summary: 'Sign out on this device, with an access token, a refresh token or both',
      body: logoutBody,
      takesRefreshCookie: true,
      responses: {
        204: noBody(
          'Signed out; also if the refresh token is unknown or has ended',
          'set-cookie',
          'clear-site-data',
        ),
      },
      errors: [
        'UNAUTHENTICATED: no token is sent, or only an access token that has ended',
        'FORCE_LOGOUT',
        'INVALID_REFRESH_TOKEN',
        'ORIGIN_REFUSED',
      ],
      async handle(req, res, { body }) {
        const { refreshToken } = body ?? {};
        const { principal } = req;
        if (principal) await logout(deps, contextOf(req), principal);
        if (refreshToken !== undefined) await logoutByToken(deps, contextOf(req), refreshToken);
        else if (principal) await endCookieSession(deps, req, res);
        else if (!(await endPresentedSession(deps, req, res))) principalOf(req);
        signedOut(req, res);
      },
    }),
    logoutAll: endpoint({
      summary: 'Sign out on all devices',
      responses: { 204: noBody('Signed out everywhere', 'set-cookie', 'clear-site-data') },
      errors: [],
      async handle(req, res) {
        await logoutAll(deps, contextOf(req), principalOf(req));
        await endCookieSession(deps, req, res);
        signedOut(req, res);
      },
    }),
  };
}
/** For a person whose password login is locked because others are guessing at it. */
const factorFirstRoutes = (deps: AuthDeps) => ({
  beginLogin: endpoint({
    summary: 'Begin a login with the second factor; the password is checked after it',
    body: beginBody,
    responses: {
      200: json('A challenge, of the same form for every e-mail address', begunLogin, 'set-cookie'),
    },
    errors: [],
    async handle(req, res, { body }) {
      const { browserHash, offeredCookie } = deviceOf(deps, req);
      const offer = await beginLogin(deps, { ...body, browserHash });
      setChallengeCookie(req, res, offer.challengeId);
      setDeviceCookie(req, res, offeredCookie);
      res.json(offer);
    },
  }),
});

function sessionRoutes(deps: AuthDeps) {
  return {
    me: endpoint({
      summary: 'The signed-in staff member, with their roles and permissions',
      responses: { 200: json('The signed-in staff member', signedInMember) },
      errors: [],
      async handle(req, res) {
        // The live session check already loaded all of this, except the names of own roles and whether there is a password.
        const { userId, staffId, sessionId, email, name, permissions, ...whose } = principalOf(req);
        const tenant = { id: whose.tenantId, ...whose.tenant };
        const roles = await nameRoles(deps.db, whose.tenantId, whose.roles);
        const member = { userId, staffId, sessionId, email, name, tenant, roles, permissions };
        // Whether somebody has a password is for their own eyes.
        const own = whose.impersonation
          ? showImpersonation(whose.impersonation)
          : { hasPassword: await readHasPassword(deps.db, userId) };
        res.json({ ...member, ...own });
      },
    }),
    sessions: endpoint({
      summary: 'The sessions of the signed-in staff member',
      query: sessionsQuery,
      responses: {
        200: json(
          'A page of live sessions, newest first; the session of this request is on the first page',
          ownSessions,
        ),
      },
      errors: [],
      async handle(req, res, { query }) {
        res.json(await listOwnSessions(deps, principalOf(req), query));
      },
    }),
    endSession: endpoint({
      summary: 'End one of your own sessions',
      params: sessionParams,
      responses: { 204: noBody('Ended') },
      errors: ['NOT_FOUND'],
      async handle(req, res, { params }) {
        assertRowId(params.id);
        await endSession(deps, contextOf(req), principalOf(req), params.id);
        res.status(204).end();
      },
    }),
    jwks: endpoint({
      summary: 'The public keys of access tokens (RFC 7517)',
      responses: { 200: json('A JSON Web Key Set', keySet) },
      errors: [],
      handle(_req, res) {
        res.setHeader('cache-control', 'public, max-age=300');
        res.json(deps.keys.jwks);
      },
    }),
  };
}

export const authRoutes = (deps: AuthDeps) => ({
  ...signInRoutes(deps),
  ...refreshRoutes(deps),
  ...signOutRoutes(deps),
  ...factorFirstRoutes(deps),
  ...sessionRoutes(deps),
  ...noticeRoutes(deps),
  ...passwordRoutes(deps),
  ...ownProofRoutes(deps),
});

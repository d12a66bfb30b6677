import type { Request, Response } from 'express';
import { z } from 'zod';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { readDeviceCookie } from '../../http/cookies';
import { emailField } from '../../http/emailAddress';
import { FORM } from '../../http/formBody';
import { sendPage } from '../../http/plainPage';
import { contextOf, passageOf, principalOf } from '../../http/request';
import { json, page, withPage } from '../../http/answers';
import { endpoint } from '../../http/routeTable';
import { identifyDevice } from '../../security';
import { renewedToken } from '../authAnswers';
import { changePassword } from './changePassword';
import { forgotPassword } from './forgotPassword';
import { newPasswordField, passwordField } from './passwordField';
import type { PasswordObjection } from './passwordPolicy';
import { DEAD_LINK_PAGE, RESET_DONE_PAGE, RESET_PAGE, refusedPage } from './resetPages';
import { readResetLink, resetPassword } from './resetPassword';

const changeBody = z.object({ currentPassword: passwordField, newPassword: newPasswordField });
const forgotBody = z.object({ email: emailField });
const resetBody = z.object({ newPassword: newPasswordField });
const params = z.object({ token: z.string() });

const cookieHashesOf = (deps: AuthDeps, req: Request): readonly string[] =>
  identifyDevice(deps.keys, deps.random, readDeviceCookie(req), contextOf(req).userAgent)
    .cookieHashes;

/**
 * Runs work for a person who looks at a page, and shows the errors that they can correct as pages.
 * @throws every other error
 */
async function withPages(res: Response, work: () => Promise<string>): Promise<void> {
  try {
    sendPage(res, await work());
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'NOT_FOUND') return sendPage(res.status(404), DEAD_LINK_PAGE);
    if (error.code !== 'PASSWORD_REFUSED') throw error;
    const reasons = error.extra['reasons'] as readonly PasswordObjection[];
    sendPage(res.status(400), refusedPage(reasons));
  }
}

/** The routes behind the link for a new password. */
const resetRoutes = (deps: AuthDeps) => ({
  resetPage: endpoint({
    summary: 'A page with a form for a new password; it changes nothing',
    params,
    responses: {
      200: page('A page with a form'),
      404: page('A page that says that the link does not work'),
    },
    errors: [],
    async handle(_req, res, input) {
      await withPages(res, async () => {
        await readResetLink(deps, input.params.token);
        return RESET_PAGE;
      });
    },
  }),
  resetPassword: endpoint({
    summary: 'Set a new password with a mailed link; as JSON, or with the form of the page',
    params,
    body: resetBody,
    takesForm: true,
    responses: {
      200: withPage(
        'The password is set, and all sessions have ended; a page if a form was sent',
        z.object({ passwordChanged: z.literal(true) }),
      ),
      400: page('The page with the form again, if it was sent'),
      404: page('A page that says that the link does not work, if the form was sent'),
    },
    errors: [
      'PASSWORD_REFUSED: with the reasons; the link still works',
      'NOT_FOUND',
      'CONFLICT',
      'HASHING_BUSY',
    ],
    async handle(req, res, { body, params: { token } }) {
      const reset = () => resetPassword(deps, contextOf(req), token, body.newPassword);
      if (!req.is(FORM)) {
        await reset();
        return void res.json({ passwordChanged: true });
      }
      await withPages(res, async () => {
        await reset();
        return RESET_DONE_PAGE;
      });
    },
  }),
});

/** The routes with which people change or reset their own password. */
export const passwordRoutes = (deps: AuthDeps) => ({
  changePassword: endpoint({
    summary: 'Change your own password; all other sessions end',
    body: changeBody,
    responses: { 200: json('The access token with which this session goes on', renewedToken) },
    errors: [
      'PASSWORD_REFUSED: with the reasons',
      'WRONG_PASSWORD',
      'NO_PASSWORD',
      'CONFLICT',
      'TOO_MANY_ATTEMPTS',
      'HASHING_BUSY',
    ],
    async handle(req, res, { body }) {
      const change = { ...body, cookieDeviceHashes: cookieHashesOf(deps, req) };
      const passage = passageOf(req);
      res.json(await changePassword(deps, contextOf(req), principalOf(req), passage, change));
    },
  }),
  forgotPassword: endpoint({
    summary: 'Ask for a link for a new password by mail',
    body: forgotBody,
    responses: {
      202: json('The same for every address', z.object({ accepted: z.literal(true) })),
    },
    errors: [],
    async handle(req, res, { body }) {
      const cookieDeviceHashes = cookieHashesOf(deps, req);
      await forgotPassword(deps, contextOf(req), { ...body, cookieDeviceHashes });
      res.status(202).json({ accepted: true });
    },
  }),
  ...resetRoutes(deps),
});

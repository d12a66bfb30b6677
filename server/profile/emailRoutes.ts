import { z } from 'zod';
import { passwordField } from '../auth';
import type { ProfileDeps } from './deps';
import { readDeviceCookie } from '../http/cookies';
import { emailField } from '../http/emailAddress';
import { sendPage } from '../http/plainPage';
import { contextOf, passageOf, principalOf } from '../http/request';
import { json, page } from '../http/answers';
import { endpoint } from '../http/routeTable';
import { identifyDevice } from '../security';
import { confirmEmailChange, readChangeLink } from './confirmEmailChange';
import { ASK_PAGE, DONE_PAGE } from './emailPages';
import { pendingEmail } from './profileAnswers';
import { requestEmailChange } from './requestEmailChange';

const changeBody = z.object({ email: emailField, currentPassword: passwordField });
const linkParams = z.object({ token: z.string() });

/** The routes with which people change their e-mail address. Those of the link read no body. */
export const emailRoutes = (deps: ProfileDeps) => ({
  changeEmail: endpoint({
    summary: 'Ask for a change of your own e-mail address',
    body: changeBody,
    responses: {
      202: json(
        'A mail to the new address has a link, unless somebody else has that address',
        pendingEmail,
      ),
    },
    errors: [
      'WRONG_PASSWORD',
      'NO_PASSWORD',
      'NOT_FOUND: the membership has ended',
      'METHOD_UNAVAILABLE: no mail can be sent',
      'CONFLICT',
      'TOO_MANY_ATTEMPTS',
      'HASHING_BUSY',
    ],
    async handle(req, res, { body }) {
      const ctx = contextOf(req);
      const cookie = readDeviceCookie(req);
      const device = identifyDevice(deps.keys, deps.random, cookie, ctx.userAgent);
      const change = { ...body, cookieDeviceHashes: device.cookieHashes };
      const who = principalOf(req);
      const pending = await requestEmailChange(deps, ctx, who, passageOf(req), change);
      res.status(202).json(pending);
    },
  }),
  showEmailChange: endpoint({
    summary: 'A page that asks whether to use the new address; it changes nothing',
    params: linkParams,
    responses: { 200: page('A page with one button') },
    errors: ['NOT_FOUND'],
    async handle(_req, res, { params: { token } }) {
      const { confirmed } = await readChangeLink(deps, token);
      sendPage(res, confirmed ? DONE_PAGE : ASK_PAGE);
    },
  }),
  confirmEmailChange: endpoint({
    summary: 'Confirm a change of address by the link that was mailed to the new one',
    params: linkParams,
    responses: { 200: page('A page that confirms it') },
    errors: ['NOT_FOUND', 'EMAIL_TAKEN'],
    async handle(req, res, { params: { token } }) {
      await confirmEmailChange(deps, contextOf(req), token);
      sendPage(res, DONE_PAGE);
    },
  }),
});

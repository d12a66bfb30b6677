import type { Response } from 'express';
import { z } from 'zod';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { json, moment, noBody, page } from '../../http/answers';
import { readDeviceCookie } from '../../http/cookies';
import { sendPage } from '../../http/plainPage';
import { contextOf, principalOf } from '../../http/request';
import { endpoint } from '../../http/routeTable';
import { identifyDevice } from '../../security';
import { passwordField } from '../passwords/passwordField';
import { giveOwnProof } from './giveOwnProof';
import { confirmOwnProof, mailOwnProof, readOwnProofLink } from './mailOwnProof';
import { ASK_OWN_PROOF_PAGE, DEAD_OWN_PROOF_PAGE, OWN_PROOF_DONE_PAGE } from './ownProofPages';

const proofBody = z.object({ currentPassword: passwordField });
const params = z.object({ token: z.string() });
const mailedLink = z.object({ expiresAt: moment }).meta({ id: 'MailedOwnProof' });
const DEAD_LINK = { 404: page('A page that says that the link does not work') };

/** Runs work for a person who looks at a page, and shows a link that does not work as a page. */
async function withDeadLink(res: Response, work: () => Promise<string>): Promise<void> {
  try {
    sendPage(res, await work());
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'NOT_FOUND')) throw error;
    sendPage(res.status(404), DEAD_OWN_PROOF_PAGE);
  }
}

/** The routes with which a person proves themselves in a session that a provider has opened. */
export const ownProofRoutes = (deps: AuthDeps) => ({
  giveOwnProof: endpoint({
    summary: 'Prove in this session that you are the person, with your current password',
    body: proofBody,
    responses: { 204: noBody('The proof is noted in this session') },
    errors: [
      'WRONG_PASSWORD',
      'NO_PASSWORD',
      'CONFLICT',
      'TOO_MANY_ATTEMPTS',
      'HASHING_BUSY',
      'SCHEMA_UNAVAILABLE: the token has no session',
    ],
    async handle(req, res, { body: { currentPassword } }) {
      const ctx = contextOf(req);
      const cookie = readDeviceCookie(req);
      const device = identifyDevice(deps.keys, deps.random, cookie, ctx.userAgent);
      const shown = { currentPassword, cookieDeviceHashes: device.cookieHashes };
      await giveOwnProof(deps, ctx, principalOf(req), shown);
      res.status(204).end();
    },
  }),
  mailOwnProof: endpoint({
    summary: 'Ask for a link by mail with which you prove that this session is yours',
    responses: { 202: json('A link was mailed to your own address', mailedLink) },
    errors: [
      'METHOD_UNAVAILABLE: no mail can be sent',
      'TOO_MANY_ATTEMPTS',
      'SCHEMA_UNAVAILABLE: the token has no session',
    ],
    async handle(req, res) {
      res.status(202).json(await mailOwnProof(deps, contextOf(req), principalOf(req)));
    },
  }),
  showOwnProof: endpoint({
    summary: 'A page that asks whether the session is yours; it changes nothing',
    params,
    responses: { 200: page('A page with one button'), ...DEAD_LINK },
    errors: [],
    handle: (_req, res, { params: { token } }) =>
      withDeadLink(res, async () => {
        await readOwnProofLink(deps, token);
        return ASK_OWN_PROOF_PAGE;
      }),
  }),
  confirmOwnProof: endpoint({
    summary: 'Prove with a mailed link that the session that asked for it is yours',
    params,
    responses: { 200: page('A page that confirms it'), ...DEAD_LINK },
    errors: [],
    handle: (req, res, { params: { token } }) =>
      withDeadLink(res, async () => {
        await confirmOwnProof(deps, contextOf(req), token);
        return OWN_PROOF_DONE_PAGE;
      }),
  }),
});

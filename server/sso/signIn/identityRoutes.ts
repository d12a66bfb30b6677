import { z } from 'zod';
import { readSsoCookie } from '../../http/cookies';
import { json, noBody } from '../../http/answers';
import { contextOf, principalOf, provenCallerOf } from '../../http/request';
import { refuseOtherOrigins } from '../../auth';
import { endpoint, storableText } from '../../http/routeTable';
import type { SsoDeps } from '../deps';
import { beginLink, completeLink } from './linkOwnIdentity';
import {
  shownIdentities,
  shownIdentity,
  shownTry,
  startedSignIn,
  startedTry,
} from './signInAnswers';
import { sendToProvider } from './ssoSignInRoutes';
import { showTry, tryConnection } from './tryConnection';
import { listIdentities, showLink, unlinkIdentityOf, unlinkOwnIdentity } from './unlinkIdentity';

const linkBody = z.strictObject({
  connectionId: storableText(64, 1, '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f'),
});
const noFields = z.strictObject({}).optional();
const ownParams = z.object({ id: z.string() });
const memberParams = z.object({ id: z.string() });
const linkParams = z.object({ id: z.string(), identity: z.string() });
const tryParams = z.object({ id: z.string() });
const attemptParams = z.object({ id: z.string(), attempt: z.string() });

/** The routes with which people look after their own identities at providers. */
export const ownIdentityRoutes = (deps: SsoDeps) => ({
  ownIdentities: endpoint({
    summary: 'Your identities at providers, with which you can sign in to this tenant',
    responses: { 200: json('All of them', shownIdentities) },
    errors: [],
    async handle(req, res) {
      res.json({ identities: await listIdentities(deps, principalOf(req)) });
    },
  }),
  startIdentityLink: endpoint({
    summary: 'Begin to link your identity at a provider of this tenant',
    body: linkBody,
    responses: { 200: json('Where to send the browser', startedSignIn, 'set-cookie') },
    errors: ['NOT_FOUND', 'ORIGIN_REFUSED', 'TOO_MANY_SSO_ATTEMPTS', 'SSO_UNAVAILABLE'],
    async handle(req, res, { body: { connectionId } }) {
      refuseOtherOrigins(req);
      const begun = await beginLink(deps, contextOf(req), principalOf(req), connectionId);
      res.json(sendToProvider(req, res, begun));
    },
  }),
  completeIdentityLink: endpoint({
    summary: 'Link the identity with which the browser came back, in the session that asked for it',
    body: noFields,
    responses: { 200: json('The identity', shownIdentity) },
    errors: ['SSO_REFUSED', 'ORIGIN_REFUSED'],
    async handle(req, res) {
      refuseOtherOrigins(req);
      const cookie = readSsoCookie(req);
      res.json(showLink(await completeLink(deps, contextOf(req), principalOf(req), cookie)));
    },
  }),
  unlinkOwnIdentity: endpoint({
    summary: 'Unlink one of your identities; you are signed out everywhere',
    params: ownParams,
    responses: { 204: noBody('Unlinked') },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      await unlinkOwnIdentity(deps, contextOf(req), provenCallerOf(req), params.id);
      res.status(204).end();
    },
  }),
});

/** The routes of the identities of other members. */
export const memberIdentityRoutes = (deps: SsoDeps) => ({
  memberIdentities: endpoint({
    summary: 'The identities at providers that sign a member in',
    params: memberParams,
    responses: { 200: json('All of them', shownIdentities) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      const { tenantId } = principalOf(req);
      res.json({ identities: await listIdentities(deps, { tenantId, staffId: params.id }) });
    },
  }),
  unlinkMemberIdentity: endpoint({
    summary: 'Unlink an identity of a member, who is signed out everywhere',
    params: linkParams,
    responses: { 204: noBody('Unlinked') },
    errors: ['NOT_FOUND', 'NOT_YOURS_TO_MANAGE'],
    async handle(req, res, { params: { id: staffId, identity: linkId } }) {
      const { tenantId } = principalOf(req);
      const how = { ...provenCallerOf(req), askedAt: deps.clock.now() };
      await unlinkIdentityOf(deps, contextOf(req), { tenantId, staffId, linkId }, how);
      res.status(204).end();
    },
  }),
});

/** The routes with which administrators try a connection. */
export const tryRoutes = (deps: SsoDeps) => ({
  trySsoConnection: endpoint({
    summary: 'Try a connection with your own account at the provider; nobody is signed in',
    params: tryParams,
    body: noFields,
    responses: { 200: json('Where to send the browser', startedTry, 'set-cookie') },
    errors: ['NOT_FOUND', 'TOO_MANY_SSO_ATTEMPTS', 'SSO_UNAVAILABLE'],
    async handle(req, res, { params }) {
      const begun = await tryConnection(deps, contextOf(req), principalOf(req), params.id);
      res.json({ ...sendToProvider(req, res, begun), attemptId: begun.id });
    },
  }),
  ssoTry: endpoint({
    summary: 'What came of your try: the claims of the provider, or the reason of the refusal',
    params: attemptParams,
    responses: { 200: json('The outcome', shownTry) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      const which = { connectionId: params.id, id: params.attempt };
      res.json(await showTry(deps, principalOf(req), which));
    },
  }),
});

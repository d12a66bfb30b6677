import { decoys } from './aim';
import type { Aim, Sweep } from './aim';
import type { Ids } from './inventIds';

/**
 * The mail's id as the database stores it, and a tag of the caller's own that was made for another
 * purpose.
 */
const noticeLinks = (ids: Ids): Aim[] =>
  [ids.mailId, `ntc_${ids.loginChallengeId.slice(4)}`, `ntc_${untagged(ids.mailId)}`].map(
    (token) => ({ path: `/api/security/notices/${token}`, expected: 404 }),
  );
const untagged = (id: string) =>
  Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), Buffer.alloc(16)]).toString(
    'base64url',
  );

/** The link's id as the database stores it, and with a tag that was made for another purpose. */
const resetLinks = (ids: Ids, newPassword?: string): Aim[] =>
  [ids.resetId, `pwr_${ids.loginChallengeId.slice(4)}`, `pwr_${untagged(ids.resetId)}`].map(
    (token) => ({
      path: `/api/auth/password/reset/${token}`,
      ...(newPassword === undefined ? {} : { body: { newPassword } }),
      expected: 404,
    }),
  );
/** The id of a session, alone and with a tag that is wrong or was made for another purpose. */
const ownProofLinks = (ids: Ids): Aim[] =>
  [ids.sessionId, `opl_${ids.loginChallengeId.slice(4)}`, `opl_${untagged(ids.sessionId)}`].map(
    (token) => ({ path: `/api/auth/own-proof/${token}`, expected: 404 }),
  );
const NEW_PASSWORD = 'correct horse battery';

/** The foreign ids that can be sent to the routes of signing in, and of the notices about it. */
export const AUTH_SWEEP: Sweep = {
  'post /api/auth/login': (ids, { email, password }) => [
    { body: { email, password, tenant: ids.tenantId }, expected: 401 },
    { body: { email, password, tenant: ids.tenantSlug }, expected: 401 },
    { body: { email, password, challengeId: ids.loginChallengeId }, expected: 200 },
    { body: { email, password, ...decoys(ids) }, expected: 200 },
  ],
  'post /api/auth/login/begin': (ids, { email }) => [{ body: { email, ...ids }, expected: 200 }],
  'post /api/auth/login/complete': (ids) => [
    { body: { challengeId: ids.challengeRowId }, expected: 404 },
    { body: { challengeId: ids.sessionChallengeId }, expected: 404 },
  ],
  'post /api/auth/refresh': (ids, { refreshToken }) => [
    { body: { refreshToken: ids.refreshTokenId }, expected: 401 },
    { body: { refreshToken, ...decoys(ids) }, expected: 200 },
  ],
  'get /api/auth/me': () => [{ expected: 200 }],
  'get /api/auth/sessions': ({ tenantId, staffId, sessionId }) => [
    { query: { cursor: sessionId }, expected: 400 },
    { query: { tenantId, staffId, sessionId }, expected: 200 },
  ],
  'delete /api/auth/sessions/:id': (ids) =>
    [ids.sessionId, ids.sessionId.toUpperCase(), ids.staffId, ids.refreshTokenId].map((id) => ({
      path: `/api/auth/sessions/${id}`,
      expected: 404,
    })),
  'post /api/auth/logout': (ids) => [{ body: { sessionId: ids.sessionId }, expected: 204 }],
  'post /api/auth/logout-all': (ids) => [{ body: decoys(ids), expected: 204 }],
  'get /.well-known/jwks.json': () => [{ expected: 200 }],
  'post /api/auth/password': (ids, { password }) => [
    {
      body: { currentPassword: password, newPassword: NEW_PASSWORD, ...decoys(ids) },
      expected: 200,
    },
  ],
  'post /api/auth/password/forgot': (ids, { email }) => [
    { body: { email, ...ids }, expected: 202 },
  ],
  'get /api/auth/password/reset/:token': (ids) => resetLinks(ids),
  'post /api/auth/password/reset/:token': (ids) => resetLinks(ids, NEW_PASSWORD),
  'post /api/auth/me/own-proof': (ids, { password }) => [
    { body: { currentPassword: password, ...decoys(ids) }, expected: 204 },
  ],
  // The application of the sweep sends no mails with links.
  'post /api/auth/me/own-proof/link': (ids) => [{ body: decoys(ids), expected: 409 }],
  'get /api/auth/own-proof/:token': ownProofLinks,
  'post /api/auth/own-proof/:token': ownProofLinks,
  'get /api/security/notices/:token': noticeLinks,
  'post /api/security/notices/:token': noticeLinks,
};

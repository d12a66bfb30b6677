import { cursorAt, decoys } from './aim';
import type { Aim, Sweep } from './aim';
import type { Ids } from './inventIds';

const invitation = { email: 'aimed@example.com', roles: ['member'], delivery: 'link' };

/** The id as the database stores it, and with a tag that nobody made. */
const links = (
  { invitationId }: Ids,
  path: (token: string) => string,
  body?: Aim['body'],
): Aim[] => {
  const bytes = Buffer.from(invitationId.replaceAll('-', ''), 'hex');
  const untagged = Buffer.concat([bytes, Buffer.alloc(16)]).toString('base64url');
  return [invitationId, `inv_${untagged}`].map((token) => ({
    path: path(token),
    ...(body ? { body } : {}),
    expected: 404,
  }));
};

/** The foreign ids that can be sent to the routes of invitations. */
export const INVITATIONS_SWEEP: Sweep = {
  'get /api/tenants/invitations': ({ invitationId }) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { cursor: cursorAt(invitationId) }, expected: 200 },
  ],
  'get /api/tenants/invitations/:id': ({ invitationId, staffId }) =>
    [invitationId, invitationId.toUpperCase(), staffId].map((id) => ({
      path: `/api/tenants/invitations/${id}`,
      expected: 404,
    })),
  'post /api/tenants/invitations': (ids) => [
    { body: invitation, expected: 201 },
    { body: { ...invitation, ...decoys(ids) }, expected: 400 },
  ],
  'post /api/tenants/invitations/:id/resend': ({ invitationId }) => [
    { path: `/api/tenants/invitations/${invitationId}/resend`, body: {}, expected: 404 },
  ],
  'delete /api/tenants/invitations/:id': ({ invitationId }) => [
    { path: `/api/tenants/invitations/${invitationId}`, expected: 404 },
  ],
  'get /api/invitations/:token': (ids) => links(ids, (token) => `/api/invitations/${token}`),
  'post /api/invitations/:token/code': (ids) =>
    links(ids, (token) => `/api/invitations/${token}/code`),
  'post /api/invitations/:token/accept': (ids) =>
    links(ids, (token) => `/api/invitations/${token}/accept`, {}),
  'get /invitation/:token': (ids) => links(ids, (token) => `/invitation/${token}`),
  'post /invitation/:token': (ids) =>
    links(ids, (token) => `/invitation/${token}`, { step: 'accept' }),
};

import { cursorAt, decoys } from './aim';
import type { Aim, Sweep } from './aim';
import type { Ids } from './inventIds';

/** Another tenant's ids in the form of a link that confirms a change of address, with a tag that is wrong. */
const changeLinks = (ids: Ids): Aim[] => {
  const bytes = Buffer.from(ids.mailId.replaceAll('-', ''), 'hex');
  const untagged = Buffer.concat([bytes, Buffer.alloc(16)]).toString('base64url');
  return [ids.mailId, `emc_${untagged}`, `emc_${ids.loginChallengeId.slice(4)}`].map((token) => ({
    path: `/api/auth/email/${token}`,
    expected: 404,
  }));
};

/** The foreign ids that can be sent to the routes of a person's own account. */
export const PROFILE_SWEEP: Sweep = {
  'put /api/auth/me': (ids) => [
    { body: { name: 'Ann', ...decoys(ids) }, expected: 200 },
    { body: { name: null, ...decoys(ids) }, expected: 200 },
  ],
  'get /api/auth/me/events': (ids) => [
    { expected: 400 },
    { query: {}, expected: 200 },
    { query: { cursor: cursorAt(ids.eventId) }, expected: 200 },
    { query: { staffId: ids.staffId }, expected: 400 },
  ],
  'post /api/auth/me/data': (ids) => [
    { expected: 200 },
    { query: { staffId: ids.staffId }, body: decoys(ids), expected: 200 },
  ],
  // The application of the sweep sends no mails with links.
  'post /api/auth/email': (ids) => [
    {
      body: { email: 'new@elsewhere.example', currentPassword: 'x', ...decoys(ids) },
      expected: 409,
    },
  ],
  'get /api/auth/email/:token': changeLinks,
  'post /api/auth/email/:token': changeLinks,
};

import { z } from 'zod';
import { moment, nextCursor, rowId } from '../../http/answers';
import { API_KEY_STATUSES } from './apiKeyStore';

/** The text of a key. It is shown once, and stored nowhere. */
const keyText = z.string().meta({
  description: 'The key itself. It is shown once',
  examples: [`ghk_t${'0'.repeat(43)}47pjr4`],
});

const fields = {
  id: rowId,
  name: z.string().meta({ examples: ['Nightly report'] }),
  permissions: z.array(z.string()).meta({ examples: [['TENANT_STAFF_VIEW']] }),
  addresses: z.array(z.string()).meta({
    description: 'The addresses and ranges from which it can be used; empty means all',
    examples: [['192.0.2.0/24']],
  }),
  status: z.enum(API_KEY_STATUSES),
  holder: z.object({ staffId: rowId, email: z.string().meta({ examples: ['ada@example.com'] }) }),
  createdAt: moment,
  rotatedAt: moment.nullable(),
  previousUntil: moment
    .nullable()
    .meta({ description: 'Until when the text before the last rotation is valid' }),
  expiresAt: moment,
  revokedAt: moment.nullable(),
  lastUsedAt: moment.nullable(),
  lastUsedIp: z.string().nullable(),
};

/** A key, without its text. */
export const shownApiKey = z.object(fields).meta({ id: 'ApiKey' });

/** A page of keys. */
export const apiKeyPage = z
  .object({ keys: z.array(shownApiKey), nextCursor })
  .meta({ id: 'ApiKeyPage' });

/** A key that was just issued, with its text. */
export const issuedApiKey = z.object({ ...fields, key: keyText }).meta({ id: 'IssuedApiKey' });

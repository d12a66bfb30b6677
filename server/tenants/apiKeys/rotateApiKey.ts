import { z } from 'zod';
import { DEFAULT_DAYS, daysField, makeSecret, overlapField } from '../../apiKeys';
import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import { queueNotice } from '../../mail';
import { administer } from '../administer';
import type { Administration } from '../administration';
import type { TenantDeps } from '../deps';
import { replaceSecret } from './apiKeyStore';
import type { IssuedApiKey } from './createApiKey';
import { lockManagedKey } from './heldKey';
import type { MemberAuthority } from './heldKey';
import { showApiKey } from './listApiKeys';

/** How long the secret before stays valid, and the new one lives. */
export const rotationInput = z.strictObject({
  overlapSec: overlapField.meta({
    description: 'For how many seconds the key before stays valid: 0 to 604800',
  }),
  expiresInDays: daysField.default(DEFAULT_DAYS),
});

/**
 * Gives a live key a new secret and a new expiry. Only the holder can do it: whoever has the secret
 * acts in the holder's name. The holder is informed by mail.
 * @throws AppError NOT_FOUND; NOT_YOURS_TO_MANAGE; KEY_HOLDER_ONLY; KEY_ENDED; what `administer`
 * throws
 */
export async function rotateApiKey(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: MemberAuthority,
  { id, overlapSec, expiresInDays }: { id: string } & z.output<typeof rotationInput>,
): Promise<IssuedApiKey> {
  assertRowId(id);
  const { tenantId, staffId, sessionId } = authority.principal;
  const act = async (tx: Tx, administration: Administration): Promise<IssuedApiKey> => {
    const key = await lockManagedKey(tx, administration, id);
    if (key.staffId !== staffId) throw new AppError('KEY_HOLDER_ONLY');
    const { text, stored } = makeSecret(deps, 't');
    const next = { stored, issuedSessionId: sessionId, overlapSec, days: expiresInDays };
    if (!(await replaceSecret(tx, tenantId, id, next))) throw new AppError('KEY_ENDED');
    const shown = await showApiKey(tx, tenantId, id);
    await recordAudit(tx, ctx, {
      action: 'API_KEY_ROTATED',
      outcome: 'success',
      subject: `api-key:${id}`,
      details: {
        ...{ overlapSec, holder: staffId, via: 'api' },
        expiresAt: shown.expiresAt.toISOString(),
      },
    });
    const notice = { kind: 'api_key_rotated', name: key.name } as const;
    await queueNotice(deps, tx, ctx, { tenantId, staffId }, notice);
    return { ...shown, key: text };
  };
  return administer(deps, ctx, authority, 'API_KEYS_MANAGE', act);
}

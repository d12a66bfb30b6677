import { z } from 'zod';
import { DEFAULT_DAYS, addressList, daysField, makeSecret } from '../../apiKeys';
import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { AppError } from '../../errors';
import { queueNotice } from '../../mail';
import { administer } from '../administer';
import { assertMayGive } from '../administration';
import type { TenantDeps } from '../deps';
import { inOrder } from '../effectivePermissions';
import { oneLine, permissionList } from '../roleInput';
import { sameName } from '../sameName';
import type { MemberAuthority } from './heldKey';
import { countLiveKeys, insertKey, listLiveNames } from './apiKeyStore';
import { showApiKey } from './listApiKeys';
import type { ShownApiKey } from './listApiKeys';

const MOST_LIVE = 100;

/** The properties that a member chooses for a key. */
export const apiKeyInput = z.strictObject({
  name: oneLine(100, 1),
  permissions: permissionList
    .transform(inOrder)
    .refine(
      (names) => names.length === 1 || !names.includes('SCIM_PROVISION'),
      'a key with SCIM_PROVISION can have no other permission',
    ),
  addresses: addressList.default([]).meta({
    description: 'Addresses and CIDR ranges from which the key can be used; empty means all',
  }),
});

/** The properties of a new key. */
export const newApiKeyInput = apiKeyInput.extend({
  expiresInDays: daysField.default(DEFAULT_DAYS),
});

/** A key that was just issued, with its text. The text is not stored and cannot be shown again. */
export type IssuedApiKey = ShownApiKey & { key: string };

/**
 * Refuses the name of another live key of the tenant, and one that looks the same.
 * @throws AppError KEY_NAME_TAKEN
 */
export async function assertNameFree(
  tx: Tx,
  tenantId: string,
  { name, except }: { name: string; except?: string },
): Promise<void> {
  const names = await listLiveNames(tx, tenantId, except);
  if (names.some((other) => sameName(other, name))) throw new AppError('KEY_NAME_TAKEN');
}

/**
 * Creates a key whose holder is the caller, and informs them by mail.
 * @throws AppError NOT_YOURS_TO_GIVE for a permission that the caller does not hold;
 * KEY_NAME_TAKEN; TOO_MANY_KEYS; what `administer` throws
 */
export async function createApiKey(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: MemberAuthority,
  { expiresInDays, ...input }: z.output<typeof newApiKeyInput>,
): Promise<IssuedApiKey> {
  const { tenantId, staffId, userId, sessionId } = authority.principal;
  return administer(deps, ctx, authority, 'API_KEYS_MANAGE', async (tx, administration) => {
    assertMayGive(administration, input.permissions);
    await assertNameFree(tx, tenantId, input);
    if ((await countLiveKeys(tx, tenantId)) >= MOST_LIVE) throw new AppError('TOO_MANY_KEYS');
    const id = deps.random.id();
    const { text, stored } = makeSecret(deps, 't');
    const owner = { tenantId, staffId, userId, issuedSessionId: sessionId };
    await insertKey(tx, { id, ...owner, ...input, ...stored }, expiresInDays);
    const shown = await showApiKey(tx, tenantId, id);
    await recordAudit(tx, ctx, {
      action: 'API_KEY_CREATED',
      outcome: 'success',
      subject: `api-key:${id}`,
      details: {
        ...input,
        holder: staffId,
        expiresAt: shown.expiresAt.toISOString(),
        via: 'api',
      },
    });
    const notice = { kind: 'api_key_created', name: input.name } as const;
    await queueNotice(deps, tx, ctx, { tenantId, staffId }, notice);
    return { ...shown, key: text };
  });
}

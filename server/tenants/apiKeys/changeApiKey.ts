import type { z } from 'zod';
import { isWider } from '../../apiKeys';
import { recordAudit } from '../../audit';
import type { RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import { administer } from '../administer';
import { assertMayGive } from '../administration';
import type { Administration } from '../administration';
import type { TenantDeps } from '../deps';
import { updateKey } from './apiKeyStore';
import type { HeldKey } from './apiKeyStore';
import { assertNameFree } from './createApiKey';
import type { apiKeyInput } from './createApiKey';
import { lockManagedKey } from './heldKey';
import type { MemberAuthority } from './heldKey';
import { showApiKey } from './listApiKeys';
import type { ShownApiKey } from './listApiKeys';

type Properties = z.output<typeof apiKeyInput>;

interface ApiKeyChange {
  id: string;
  /** The fields to change; the others stay. */
  set: { [Field in keyof Properties]?: Properties[Field] | undefined };
}

/**
 * Refuses to give a key what its holder does not have, and to widen somebody else's key: it acts in
 * the holder's name.
 * @throws AppError NOT_YOURS_TO_GIVE, KEY_HOLDER_ONLY
 */
function assertMayWiden(
  administration: Administration,
  key: HeldKey,
  after: Pick<Properties, 'permissions' | 'addresses'>,
): void {
  const added = after.permissions.filter((one) => !key.permissions.includes(one));
  if (added.length === 0 && !isWider(after.addresses, key.addresses)) return;
  const { actor } = administration;
  if (actor.kind !== 'member' || actor.staffId !== key.staffId) {
    const detail = 'Only the holder can give it permissions or addresses.';
    throw new AppError('KEY_HOLDER_ONLY', { detail });
  }
  assertMayGive(administration, added);
}

/**
 * Changes the name, the addresses or the permissions of a live key, from the next request on. A
 * change that changes nothing records nothing.
 * @throws AppError NOT_FOUND; KEY_ENDED; NOT_YOURS_TO_MANAGE; NOT_YOURS_TO_GIVE and KEY_HOLDER_ONLY
 * if it widens the key; KEY_NAME_TAKEN; what `administer` throws
 */
export async function changeApiKey(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: MemberAuthority,
  { id, set }: ApiKeyChange,
): Promise<ShownApiKey> {
  assertRowId(id);
  const { tenantId } = authority.principal;
  return administer(deps, ctx, authority, 'API_KEYS_MANAGE', async (tx, administration) => {
    const key = await lockManagedKey(tx, administration, id);
    const { name, permissions, addresses, staffId: holder } = key;
    const before = { name, permissions, addresses };
    const after = {
      name: set.name ?? name,
      permissions: set.permissions ?? permissions,
      addresses: set.addresses ?? addresses,
    };
    assertMayWiden(administration, key, after);
    if (after.name !== name) await assertNameFree(tx, tenantId, { name: after.name, except: id });
    if (JSON.stringify(before) !== JSON.stringify(after)) {
      await updateKey(tx, tenantId, { id, ...after });
      await recordAudit(tx, ctx, {
        action: 'API_KEY_CHANGED',
        outcome: 'success',
        subject: `api-key:${id}`,
        details: { before, after, holder, via: 'api' },
      });
    }
    return showApiKey(tx, tenantId, id);
  });
}

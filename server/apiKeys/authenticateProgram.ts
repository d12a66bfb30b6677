import { clientIp } from '../context';
import type { Principal, RequestContext, ServiceCaller } from '../context';
import { AppError } from '../errors';
import { assertAddress } from '../ipRules';
import { kindOfKey, looksLikeKey } from '../keyText';
import type { ProgramKeyKind } from '../keyText';
import { isAllowed } from './allowedAddresses';
import type { ProgramKeyDeps } from './deps';
import type { FindOptions } from './keyFinder';
import type { TenantKeyState } from './liveKeyStore';

/** The reason if the form of a token alone shows that it cannot be a key of this kind. */
function misfit(token: string, wanted: ProgramKeyKind): string | undefined {
  if (!looksLikeKey(token)) return 'This needs a service key, and no access token.';
  const kind = kindOfKey(token);
  if (kind === undefined) return 'The key is incomplete or was changed: its checksum is wrong.';
  if (kind === wanted) return undefined;
  return wanted === 's'
    ? 'This needs a service key, and not the API key of a tenant.'
    : 'A service key cannot do this: use an access token, or an API key of the tenant.';
}

/**
 * Alike for an unknown, a revoked and an expired key, and for one whose holder has no access. Only
 * the form of the text that was sent makes a difference.
 */
const invalidKey = (token: string, wanted: ProgramKeyKind) =>
  new AppError('UNAUTHENTICATED', {
    detail:
      misfit(token, wanted) ??
      'The key is not valid: it is unknown, was replaced or revoked, or has expired.',
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });

/** Returns the holder of a key, with those of their permissions that the key has. */
export const toKeyPrincipal = (state: TenantKeyState): Principal => ({
  tenantId: state.tenantId,
  userId: state.userId,
  staffId: state.staffId,
  sessionId: null,
  sid: state.id,
  sessionVersion: state.sessionVersion,
  roles: [],
  permissions: state.permissions,
  email: state.email,
  name: state.personName,
  tenant: { slug: state.tenantSlug, name: state.tenantName },
  ownProof: false,
  apiKeyId: state.id,
});

/**
 * Checks a tenant's API key against the database, at every request and on every node.
 * @param options `forScim` if a key for SCIM may be used; it may be nowhere else
 * @returns its state
 * @throws AppError UNAUTHENTICATED; FORBIDDEN for a key for SCIM elsewhere; KEY_ADDRESS_REFUSED if a valid key is used from an address that
 * it does not allow, IP_BLOCKED if the tenant does not; IP_RULES_UNAVAILABLE; the driver's error if
 * the database could not be asked
 */
export async function checkTenantKey(
  deps: Pick<ProgramKeyDeps, 'tenantKeys' | 'denials' | 'ipRules' | 'ipRefusals'>,
  ctx: RequestContext,
  key: string,
  options: FindOptions & { forScim?: boolean },
): Promise<TenantKeyState> {
  const found = await deps.tenantKeys.find(key, options);
  if (!found) throw invalidKey(key, 't');
  const { id, tenantId, staffId, active, addresses } = found.state;
  const refused = { tenantId, actor: staffId, subject: `api-key:${id}` };
  const reason = found.ended ?? (active ? undefined : 'holder');
  if (reason) {
    await deps.denials.recordKey(ctx, { ...refused, reason });
    throw invalidKey(key, 't');
  }
  const ip = clientIp(ctx);
  if (!isAllowed(addresses, ip)) {
    await deps.denials.recordKey(ctx, { ...refused, reason: 'address' });
    throw new AppError('KEY_ADDRESS_REFUSED');
  }
  await assertAddress(deps, ctx, { tenantId, staffId, apiKeyId: id });
  // A directory's key lies in somebody else's service, so it is of no use anywhere else.
  if (found.state.permissions.includes('SCIM_PROVISION') && !options.forScim) {
    throw new AppError('FORBIDDEN', { detail: 'A key for SCIM opens nothing but /scim/v2.' });
  }
  deps.tenantKeys.noteUse(found, ip);
  return found.state;
}

/**
 * Returns the holder of a tenant's API key, with those of their permissions that the key has.
 * @throws what {@link checkTenantKey} throws
 */
export const authenticateKey = async (
  ...asked: Parameters<typeof checkTenantKey>
): Promise<Principal> => toKeyPrincipal(await checkTenantKey(...asked));

/**
 * Checks a service key against the database, at every request and on every node.
 * @throws what {@link checkTenantKey} throws
 */
export async function authenticateService(
  deps: Pick<ProgramKeyDeps, 'serviceKeys' | 'denials'>,
  ctx: RequestContext,
  key: string,
  options: FindOptions,
): Promise<ServiceCaller> {
  const found = await deps.serviceKeys.find(key, options);
  if (!found) throw invalidKey(key, 's');
  const { id, name, scopes, expiresAt, addresses } = found.state;
  const refused = { tenantId: null, actor: `service:${id}`, subject: `service-key:${id}` };
  if (found.ended) {
    await deps.denials.recordKey(ctx, { ...refused, reason: found.ended });
    throw invalidKey(key, 's');
  }
  const ip = clientIp(ctx);
  if (!isAllowed(addresses, ip)) {
    await deps.denials.recordKey(ctx, { ...refused, reason: 'address' });
    throw new AppError('KEY_ADDRESS_REFUSED');
  }
  deps.serviceKeys.noteUse(found, ip);
  return { keyId: id, name, scopes, expiresAt };
}

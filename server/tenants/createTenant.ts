import { z } from 'zod';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { normalizeSlug } from '../http/emailAddress';
import { storableText } from '../http/routeTable';
import { oneLine } from './roleInput';
import { insertTenant } from './tenantStore';

export const tenantInput = z.object({
  // Longer than a slug may be, because spaces around it are dropped.
  slug: storableText(100, 1, 'acme')
    .transform(normalizeSlug)
    .pipe(
      z
        .string()
        .regex(
          /^[a-z0-9][a-z0-9-]{0,62}$/,
          'slug must be 1 to 63 of a-z, 0-9 and -, not starting with -',
        ),
    ),
  // It is in the subject of mails and on pages, beside other text.
  name: oneLine(200, 1),
});

/**
 * Creates a tenant.
 * @returns the tenant's id
 * @throws ZodError; the driver's unique violation if the slug is taken
 */
export async function createTenant(
  deps: Pick<TenantDeps, 'random' | 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  input: z.input<typeof tenantInput>,
  via: 'operator' | 'bootstrap' | 'service',
): Promise<string> {
  const { slug, name } = tenantInput.parse(input);
  const id = deps.random.id();
  await insertTenant(tx, { id, slug, name, createdAt: deps.clock.now() });
  await recordAudit(tx, ctx, {
    action: 'TENANT_CREATED',
    outcome: 'success',
    tenantId: id,
    subject: `tenant:${id}`,
    details: { slug, via },
  });
  return id;
}

import type { SecurityDeps } from '../security';
import { clientAcrossTenants } from '../db/tenantScope';
import { boundToMail } from '../mail';
import { boundToTotp } from '../security';
import { boundToConnection } from '../ssoConnections';
import { SEALED_PLACES, listSealedOtherwise, newestKeyOf, replaceSealed } from './resealStore';
import type { SealedPlace, SealedRow } from './resealStore';

type ResealDeps = Pick<SecurityDeps, 'pool' | 'keys' | 'logger'>;

const NO_ID = '00000000-0000-0000-0000-000000000000';

const boundToSso = ({ id, tenantId }: SealedRow) =>
  boundToConnection({ id, tenantId: tenantId ?? '' });

const BOUND_TO: Readonly<Record<SealedPlace, (row: SealedRow) => string>> = {
  totp: ({ id, tenantId, staffId }) =>
    boundToTotp({ id, tenantId: tenantId ?? '', staffId: staffId ?? '' }),
  mails: ({ id }) => boundToMail(id),
  ssoSecrets: boundToSso,
  previousSsoSecrets: boundToSso,
};

async function resealRow(deps: ResealDeps, place: SealedPlace, row: SealedRow): Promise<boolean> {
  const boundTo = BOUND_TO[place](row);
  let plain: Buffer;
  try {
    plain = deps.keys.open(row.sealed, boundTo);
  } catch {
    return false;
  }
  const next = { sealed: deps.keys.seal(plain, boundTo), keyId: deps.keys.ids.encryption };
  await clientAcrossTenants(deps.pool, 'keys', (client) => replaceSealed(client, place, row, next));
  return true;
}

/** @returns how many values no key of this node can open */
async function resealPlace(deps: ResealDeps, place: SealedPlace): Promise<number> {
  let unreadable = 0;
  let afterId = NO_ID;
  for (;;) {
    const query = { keyId: deps.keys.ids.encryption, afterId };
    const rows = await clientAcrossTenants(deps.pool, 'keys', (client) =>
      listSealedOtherwise(client, place, query),
    );
    if (rows.length === 0) return unreadable;
    for (const row of rows) {
      if (!(await resealRow(deps, place, row))) unreadable += 1;
    }
    afterId = rows.at(-1)?.id ?? afterId;
  }
}

/**
 * Seals values of other keys again with the current key, in small batches, and replaces a value
 * only if nobody changed it in the meantime. A node whose key is not the newest does nothing,
 * because during a rotation two nodes would undo each other's work.
 */
export async function resealSecrets(deps: ResealDeps): Promise<void> {
  if ((await newestKeyOf(deps.pool, 'ENCRYPTION_KEY')) !== deps.keys.ids.encryption) return;
  for (const place of SEALED_PLACES) {
    const unreadable = await resealPlace(deps, place);
    if (unreadable === 0) continue;
    deps.logger.error(
      { place, unreadable },
      'encrypted values cannot be decrypted with any key of this node',
    );
  }
}

import { z } from 'zod';
import { addressList, daysField, makeSecret, overlapField } from '../apiKeys';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Db, Tx } from '../db';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { SERVICE_SCOPE_NAMES } from '../serviceScopes';
import { oneLine } from '../tenants';
import type { ServiceDeps } from './deps';
import {
  insertServiceKey,
  listServiceKeyRows,
  replaceServiceSecret,
  revokeServiceKeyRow,
} from './serviceKeyStore';

/** The properties of a new service key. An unknown scope is refused. */
export const serviceKeyInput = z.strictObject({
  name: oneLine(100, 1),
  scopes: z
    .array(z.enum(SERVICE_SCOPE_NAMES))
    .min(1)
    .transform((list) => [...new Set(list)]),
  addresses: addressList,
  expiresInDays: daysField.optional(),
});

/** How long the secret before a rotation stays valid, and a new life of the key. */
export const serviceRotationInput = z.strictObject({
  overlapSec: overlapField,
  expiresInDays: daysField.optional(),
});

type ShownServiceKey = Awaited<ReturnType<typeof listServiceKeyRows>>[number];
type KeyDeps = Pick<ServiceDeps, 'db' | 'keys' | 'random'>;

/** A key that was just issued, with its text. The text is not stored and cannot be shown again. */
type IssuedServiceKey = ShownServiceKey & { key: string };

async function showOne(tx: Tx, id: string): Promise<ShownServiceKey> {
  const [row] = await listServiceKeyRows(tx, id);
  if (!row) throw new AppError('NOT_FOUND');
  return row;
}

/** Lists every service key, newest first, without its text. */
export const listServiceKeys = (db: Db): Promise<ShownServiceKey[]> => listServiceKeyRows(db);

/**
 * Creates a service key, for an operator.
 * @throws the driver's unique violation if another key that was not revoked has the name
 */
export async function createServiceKey(
  deps: KeyDeps,
  ctx: RequestContext,
  { expiresInDays, ...input }: z.output<typeof serviceKeyInput>,
): Promise<IssuedServiceKey> {
  const id = deps.random.id();
  const { text, stored } = makeSecret(deps, 's');
  return deps.db.transaction(async (tx) => {
    const row = { id, ...input, ...stored, createdBy: ctx.actor };
    await insertServiceKey(tx, row, expiresInDays);
    const shown = await showOne(tx, id);
    const expiresAt = shown.expiresAt?.toISOString() ?? null;
    await recordAudit(tx, ctx, {
      action: 'SERVICE_KEY_CREATED',
      outcome: 'success',
      subject: `service-key:${id}`,
      details: { ...input, expiresAt, via: 'operator' },
    });
    return { ...shown, key: text };
  });
}

/**
 * Gives a live service key a new secret, for an operator.
 * @throws AppError NOT_FOUND; KEY_ENDED if it was revoked or has expired
 */
export async function rotateServiceKey(
  deps: KeyDeps,
  ctx: RequestContext,
  { id, overlapSec, expiresInDays }: { id: string } & z.output<typeof serviceRotationInput>,
): Promise<IssuedServiceKey> {
  assertRowId(id);
  const { text, stored } = makeSecret(deps, 's');
  return deps.db.transaction(async (tx) => {
    const next = { stored, overlapSec, days: expiresInDays };
    const replaced = await replaceServiceSecret(tx, id, next);
    const shown = await showOne(tx, id);
    if (!replaced) throw new AppError('KEY_ENDED');
    const expiresAt = shown.expiresAt?.toISOString() ?? null;
    await recordAudit(tx, ctx, {
      action: 'SERVICE_KEY_ROTATED',
      outcome: 'success',
      subject: `service-key:${id}`,
      details: { overlapSec, expiresAt, via: 'operator' },
    });
    return { ...shown, key: text };
  });
}

/**
 * Revokes a service key, expired or not, for an operator: its next request is refused on every node.
 * @throws AppError NOT_FOUND; KEY_ENDED if it was revoked before
 */
export async function revokeServiceKey(
  { db }: Pick<ServiceDeps, 'db'>,
  ctx: RequestContext,
  id: string,
): Promise<void> {
  assertRowId(id);
  await db.transaction(async (tx) => {
    const revoked = await revokeServiceKeyRow(tx, { id, actor: ctx.actor });
    await showOne(tx, id);
    if (!revoked) throw new AppError('KEY_ENDED');
    await recordAudit(tx, ctx, {
      action: 'SERVICE_KEY_REVOKED',
      outcome: 'success',
      subject: `service-key:${id}`,
      details: { via: 'operator' },
    });
  });
}

import { recordAudits } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Db } from '../db';
import { AppError } from '../errors';
import { compareEventTypes, namesOfChanges, shownType } from './compareEventTypes';
import type { EventTypeChanges } from './compareEventTypes';
import type { EventType } from './eventTypeInput';
import {
  listEventTypes,
  lockEventTypes,
  upsertEventType,
  withdrawEventType,
} from './eventTypeStore';

/** The names of the types that a declaration changes. */
export interface Declared {
  /** New ones, and those that had been withdrawn. */
  readonly added: string[];
  /** Those with another sentence or schema. */
  readonly changed: string[];
  readonly withdrawn: string[];
}

type Via = 'operator' | 'service';

function eventsOf(changes: EventTypeChanges, via: Via): AuditEvent[] {
  const about = (name: string) => ({
    ...{ outcome: 'success' as const, tenantId: null, subject: `event-type:${name}` },
  });
  const declared = (after: EventType, before: EventType | null) => ({
    action: 'EVENT_TYPE_DECLARED' as const,
    ...about(after.name),
    details: { before: before && shownType(before), after: shownType(after), via },
  });
  return [
    ...changes.added.map((after) => declared(after, null)),
    ...changes.changed.map(({ before, after }) => declared(after, before)),
    ...changes.withdrawn.map((before) => ({
      action: 'EVENT_TYPE_WITHDRAWN' as const,
      ...about(before.name),
      details: { before: shownType(before), via },
    })),
  ];
}

/**
 * Declares the types of events that the team's product reports: exactly these are accepted from
 * then on. A list that changes nothing records nothing.
 * @param options `dryRun`: only compare
 * @throws AppError EVENT_TYPE_INCOMPATIBLE if events of a name would mean something else than before
 */
export function declareEventTypes(
  { db }: { readonly db: Db },
  ctx: RequestContext,
  wanted: readonly EventType[],
  { via, dryRun = false }: { via: Via; dryRun?: boolean },
): Promise<Declared> {
  return db.transaction(async (tx) => {
    await lockEventTypes(tx);
    const changes = compareEventTypes(await listEventTypes(tx), wanted);
    if (!dryRun) {
      for (const one of changes.added) await upsertEventType(tx, one);
      for (const { after } of changes.changed) await upsertEventType(tx, after);
      for (const { name } of changes.withdrawn) await withdrawEventType(tx, name);
      await recordAudits(tx, ctx, eventsOf(changes, via));
    }
    return namesOfChanges(changes);
  });
}

/**
 * Withdraws one type: no event of it is accepted any more. Its events stay.
 * @throws AppError NOT_FOUND if no such type is declared
 */
export async function withdrawOneEventType(
  { db }: { readonly db: Db },
  ctx: RequestContext,
  name: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    await lockEventTypes(tx);
    const type = (await listEventTypes(tx)).find((one) => one.name === name);
    if (type?.withdrawnAt !== null) throw new AppError('NOT_FOUND');
    await withdrawEventType(tx, name);
    await recordAudits(
      tx,
      ctx,
      eventsOf({ added: [], changed: [], withdrawn: [type] }, 'operator'),
    );
  });
}

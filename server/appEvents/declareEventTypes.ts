import { isDeepStrictEqual } from 'node:util';
import { recordAudits } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Db } from '../db';
import { AppError } from '../errors';
import type { EventType } from './eventTypeInput';
import {
  listEventTypes,
  lockEventTypes,
  upsertEventType,
  withdrawEventType,
} from './eventTypeStore';
import type { StoredEventType } from './eventTypeStore';
import { widensDetails } from './widensDetails';

/** The names of the types that a declaration changes. */
export interface Declared {
  /** New ones, and those that had been withdrawn. */
  readonly added: string[];
  /** Those with another sentence or schema. */
  readonly changed: string[];
  readonly withdrawn: string[];
}

type Via = 'operator' | 'service';

const shown = ({ sentence, details }: EventType) => ({ sentence, details: { ...details } });
const isSame = (one: EventType, other: EventType) => isDeepStrictEqual(shown(one), shown(other));

/** @throws AppError EVENT_TYPE_INCOMPATIBLE */
function assertWider(before: StoredEventType | undefined, after: EventType): void {
  if (before === undefined || widensDetails(before.details, after.details)) return;
  throw new AppError('EVENT_TYPE_INCOMPATIBLE', {
    detail: `The new schema of ${after.name} refuses details that the declared one accepts. Only add optional fields and raise limits, or declare another name.`,
  });
}

function compare(stored: readonly StoredEventType[], wanted: readonly EventType[]) {
  const before = new Map(stored.map((one) => [one.name, one]));
  for (const after of wanted) assertWider(before.get(after.name), after);
  const names = new Set(wanted.map(({ name }) => name));
  const inForce = (one: StoredEventType | undefined) => one?.withdrawnAt === null;
  return {
    added: wanted.filter(({ name }) => !inForce(before.get(name))),
    changed: wanted.flatMap((after) => {
      const old = before.get(after.name);
      return old && inForce(old) && !isSame(old, after) ? [{ before: old, after }] : [];
    }),
    withdrawn: stored.filter((one) => inForce(one) && !names.has(one.name)),
  };
}

function eventsOf(changes: ReturnType<typeof compare>, via: Via): AuditEvent[] {
  const about = (name: string) => ({
    ...{ outcome: 'success' as const, tenantId: null, subject: `event-type:${name}` },
  });
  const declared = (after: EventType, before: EventType | null) => ({
    action: 'EVENT_TYPE_DECLARED' as const,
    ...about(after.name),
    details: { before: before && shown(before), after: shown(after), via },
  });
  return [
    ...changes.added.map((after) => declared(after, null)),
    ...changes.changed.map(({ before, after }) => declared(after, before)),
    ...changes.withdrawn.map((before) => ({
      action: 'EVENT_TYPE_WITHDRAWN' as const,
      ...about(before.name),
      details: { before: shown(before), via },
    })),
  ];
}

const namesOf = (types: readonly { name: string }[]) => types.map(({ name }) => name);

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
    const changes = compare(await listEventTypes(tx), wanted);
    if (!dryRun) {
      for (const one of changes.added) await upsertEventType(tx, one);
      for (const { after } of changes.changed) await upsertEventType(tx, after);
      for (const { name } of changes.withdrawn) await withdrawEventType(tx, name);
      await recordAudits(tx, ctx, eventsOf(changes, via));
    }
    return {
      added: namesOf(changes.added),
      changed: changes.changed.map(({ after }) => after.name),
      withdrawn: namesOf(changes.withdrawn),
    };
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

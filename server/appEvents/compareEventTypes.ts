import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../errors';
import type { EventType } from './eventTypeInput';
import type { StoredEventType } from './eventTypeStore';
import { widensDetails } from './widensDetails';

/** The changes that declaring a list of types makes. */
export interface EventTypeChanges {
  /** New ones, and those that had been withdrawn. */
  readonly added: readonly EventType[];
  /** Those with another sentence or schema. */
  readonly changed: readonly { before: StoredEventType; after: EventType }[];
  readonly withdrawn: readonly StoredEventType[];
}

/** Returns what people are shown of a type, and what two equal types have in common. */
export const shownType = ({ sentence, details }: EventType) => ({
  sentence,
  details: { ...details },
});
const isSame = (one: EventType, other: EventType) =>
  isDeepStrictEqual(shownType(one), shownType(other));

/** @throws AppError EVENT_TYPE_INCOMPATIBLE */
function assertWider(before: StoredEventType | undefined, after: EventType): void {
  if (before === undefined || widensDetails(before.details, after.details)) return;
  throw new AppError('EVENT_TYPE_INCOMPATIBLE', {
    detail: `The new schema of ${after.name} refuses details that the declared one accepts. Only add optional fields and raise limits, or declare another name.`,
  });
}

/**
 * Compares the types that were declared with those that are to be.
 * @throws AppError EVENT_TYPE_INCOMPATIBLE if events of a name would mean something else than before
 */
export function compareEventTypes(
  stored: readonly StoredEventType[],
  wanted: readonly EventType[],
): EventTypeChanges {
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

const namesOf = (types: readonly { name: string }[]) => types.map(({ name }) => name);

/** Returns the names of the types that a declaration changes. */
export const namesOfChanges = ({ added, changed, withdrawn }: EventTypeChanges) => ({
  added: namesOf(added),
  changed: changed.map(({ after }) => after.name),
  withdrawn: namesOf(withdrawn),
});

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { appAction } from '../audit';
import { storableText } from '../http/routeTable';
import { detailSchema } from './detailSchema';
import type { DetailSchema } from './detailSchema';
import { namedRecord } from './namedRecord';

/** A type of event that the team's product reports. */
export interface EventType {
  /** The action of its events. */
  readonly name: string;
  /** A sentence for people who read the events. */
  readonly sentence: string;
  /** The schema of the details. */
  readonly details: DetailSchema;
}

const MOST_TYPES = 500;
const MOST_CHARACTERS = 16_384;

const entry = z.strictObject({
  sentence: storableText(200).refine((text) => !/[\r\n]/.test(text), 'must be one line'),
  details: detailSchema.refine((schema) => JSON.stringify(schema).length <= MOST_CHARACTERS, {
    message: `must have at most ${MOST_CHARACTERS} characters`,
  }),
});

/** All types that are to be declared, by their names. */
export const eventTypesInput = namedRecord(appAction, entry).refine(
  (types) => Object.keys(types).length <= MOST_TYPES,
  {
    message: `must have at most ${MOST_TYPES} types`,
  },
);

/** Returns the types of a valid input, in the order of their names. */
export const toEventTypes = (input: z.output<typeof eventTypesInput>): EventType[] =>
  Object.entries(input)
    .map(([name, { sentence, details }]) => ({ name, sentence, details }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));

/** A file of types that cannot be used; the message has one sentence for each fault. */
export class EventTypesFileError extends Error {
  constructor(path: string, faults: readonly string[]) {
    super(`${path} cannot be used: ${faults.join(' ')}`);
    this.name = 'EventTypesFileError';
  }
}

/**
 * Reads a file that declares types of events.
 * @throws EventTypesFileError if it cannot be read, or is not such a file
 */
export async function readEventTypesFile(path: string): Promise<EventType[]> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const why = error.code ?? 'no reason given';
    throw new EventTypesFileError(path, [`it cannot be read (${why}).`]);
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch {
    throw new EventTypesFileError(path, ['it is not JSON.']);
  }
  const checked = eventTypesInput.safeParse(parsed);
  if (checked.success) return toEventTypes(checked.data);
  const faults = checked.error.issues.map(
    ({ path: place, message }) =>
      `${place.map((part) => JSON.stringify(part)).join(' ')}: ${message}.`,
  );
  throw new EventTypesFileError(path, faults);
}

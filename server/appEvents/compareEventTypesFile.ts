import type { Db } from '../db';
import { AppError } from '../errors';
import { compareEventTypes, namesOfChanges } from './compareEventTypes';
import { EventTypesFileError, readEventTypesFile } from './eventTypeInput';
import { listEventTypes } from './eventTypeStore';

/**
 * Compares the declared types of events with a file.
 * @returns a sentence if they differ, or if the file cannot be used or declared; otherwise undefined
 * @throws the driver's error
 */
export async function compareEventTypesFile(db: Db, path: string): Promise<string | undefined> {
  try {
    const wanted = await readEventTypesFile(path);
    const names = namesOfChanges(compareEventTypes(await listEventTypes(db), wanted));
    const parts = Object.entries(names).flatMap(([kind, some]) =>
      some.length > 0 ? [`${kind}: ${some.join(', ')}`] : [],
    );
    if (parts.length === 0) return undefined;
    return `EVENT_TYPES_FILE differs from the declared types of events (${parts.join('; ')}). To declare those of the file, run \`npm run admin -- events declare\`.`;
  } catch (error) {
    if (error instanceof EventTypesFileError) return error.message;
    if (error instanceof AppError && error.code === 'EVENT_TYPE_INCOMPATIBLE') {
      return `EVENT_TYPES_FILE cannot be declared. ${error.message}`;
    }
    throw error;
  }
}

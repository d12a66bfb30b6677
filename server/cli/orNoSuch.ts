import { AppError } from '../errors';
import { CommandError } from './commandError';

/**
 * Waits for an act on one thing that the operator named by its id.
 * @throws CommandError if there is no such thing; whatever else the act throws
 */
export async function orNoSuch<T>(thing: string, id: string, act: Promise<T>): Promise<T> {
  try {
    return await act;
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'NOT_FOUND')) throw error;
    throw new CommandError(`There is no ${thing} '${id}'.`);
  }
}

import { z } from 'zod';

/**
 * Builds the schema of an array with a limit. The length is checked after the type: zod measures
 * anything with a length, and the length of a hostile object may throw.
 */
export const boundedArray = <Item extends z.ZodType>(item: Item, most: number, least = 0) =>
  z
    .array(item)
    .meta({ minItems: least, maxItems: most })
    .refine((list) => list.length >= least && list.length <= most, {
      message: `must have ${least} to ${most} items`,
    });

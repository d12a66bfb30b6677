import { z } from 'zod';

/** Builds the schema of a record. A name that is not valid is refused with the reason. */
export const namedRecord = <Value extends z.ZodType>(name: z.ZodString, value: Value) =>
  z.record(name, value, {
    error: (issue) => (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined),
  });

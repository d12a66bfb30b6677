import { z } from 'zod';

const MODES = ['auto', 'none', 'session', 'transaction'] as const;

/** `DATABASE_POOLER`: which pooler lies in front of the database. `auto` finds out by trying. */
export const databasePooler = z.preprocess(
  (value) => (value === '' ? undefined : value),
  z.enum(MODES).default('auto'),
);

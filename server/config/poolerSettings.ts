import { z } from 'zod';

const MODES = ['auto', 'none', 'session', 'transaction'] as const;

/** `DATABASE_POOLER`: the kind of pooler in front of the database. `auto` detects it by a trial. */
export const databasePooler = z.preprocess(
  (value) => (value === '' ? undefined : value),
  z.enum(MODES).default('auto'),
);

import { z } from 'zod';

const DAY_MS = 86_400_000;
const FIRST_YEAR = 2000;
const LAST_YEAR = 2100;
/** Three years and a little: an audit period, with its overlaps, and no accidental everything. */
const MAX_DAYS = 1100;

/** Milliseconds since the epoch of a day's first moment in UTC; NaN where there is no such day. */
function startOfDay(day: string): number {
  const at = Date.parse(`${day}T00:00:00.000Z`);
  // Some engines roll 2025-02-30 over into March instead of refusing it.
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== day ? Number.NaN : at;
}

const utcDay = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, { message: 'must be a day as YYYY-MM-DD', abort: true })
  .refine((day) => !Number.isNaN(startOfDay(day)), {
    message: 'is not a day of the calendar',
    abort: true,
  })
  .refine((day) => Number(day.slice(0, 4)) >= FIRST_YEAR && Number(day.slice(0, 4)) <= LAST_YEAR, {
    message: `must lie in the years ${FIRST_YEAR} to ${LAST_YEAR}`,
  });

const countDays = (from: string, to: string) => (startOfDay(to) - startOfDay(from)) / DAY_MS + 1;

interface Days {
  from: string;
  to: string;
}

/** UTC days, both included. Days to come are allowed and empty. */
const withDays = <Shape extends z.ZodType<Days>>(shape: Shape) =>
  shape
    .refine(({ from, to }) => countDays(from, to) >= 1, {
      path: ['to'],
      message: 'must not be before from',
    })
    .refine(({ from, to }) => countDays(from, to) <= MAX_DAYS, {
      path: ['to'],
      message: `must be at most ${MAX_DAYS} days after from, both included`,
    });

/** What a bundle is asked for. */
export const exportInput = withDays(
  z.object({ from: utcDay, to: utcDay, format: z.enum(['csv', 'json']) }),
);

/** What the security events are asked for: OCSF is for a SIEM, and proves nothing. */
export const securityEventsInput = withDays(
  z.object({ from: utcDay, to: utcDay, format: z.enum(['csv', 'json', 'ocsf']) }),
);

export type ExportInput = z.output<typeof securityEventsInput>;
export type ExportFormat = ExportInput['format'];

/** A range of time: `start` belongs to it, `end` does not. */
export interface TimeRange {
  readonly start: Date;
  readonly end: Date;
}

/** The moments from the first of `from` to the last of `to`, in UTC. */
export const toTimeRange = ({ from, to }: Pick<ExportInput, 'from' | 'to'>): TimeRange => ({
  start: new Date(startOfDay(from)),
  end: new Date(startOfDay(to) + DAY_MS),
});

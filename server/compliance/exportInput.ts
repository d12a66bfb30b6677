import { z } from 'zod';
import { DAY_MS } from '../durations';

const FIRST_YEAR = 2000;
const LAST_YEAR = 2100;
/** A little over three years: enough for an audit period with overlaps, but no accidental export of everything. */
const MAX_DAYS = 1100;

/** Returns a day's first moment in UTC, in milliseconds since the epoch; NaN if there is no such day. */
function startOfDay(day: string): number {
  const at = Date.parse(`${day}T00:00:00.000Z`);
  // Some engines turn 2025-02-30 into a day of March instead of refusing it.
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
  })
  .meta({ examples: ['2026-01-31'] });

const countDays = (from: string, to: string) => (startOfDay(to) - startOfDay(from)) / DAY_MS + 1;

interface Days {
  from: string;
  to: string;
}

/** Checks UTC days, both included. Future days are allowed and have no events. */
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

/** The input of the bundle export. */
export const exportInput = withDays(
  z.object({ from: utcDay, to: utcDay, format: z.enum(['csv', 'json']) }),
);

/** The input of the security-events export. OCSF is for a SIEM, and proves nothing. */
export const securityEventsInput = withDays(
  z.object({ from: utcDay, to: utcDay, format: z.enum(['csv', 'json', 'ocsf']) }),
);

export type ExportInput = z.output<typeof securityEventsInput>;
export type ExportFormat = ExportInput['format'];

/** A range of time, from `start` (inclusive) to `end` (exclusive). */
export interface TimeRange {
  readonly start: Date;
  readonly end: Date;
}

/** Returns the time from the first moment of `from` to the last of `to`, in UTC. */
export const toTimeRange = ({ from, to }: Pick<ExportInput, 'from' | 'to'>): TimeRange => ({
  start: new Date(startOfDay(from)),
  end: new Date(startOfDay(to) + DAY_MS),
});

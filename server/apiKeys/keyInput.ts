import { z } from 'zod';
import { readRange } from '../http/clientAddress';
import { boundedList, storableText } from '../http/routeTable';
import { DAY_MS, SECOND_MS } from '../durations';

const MOST_ADDRESSES = 50;
const MOST_DAYS = 366;
/** The life of a tenant's key in days, if the caller does not choose one. */
export const DEFAULT_DAYS = 90;
const DAY_SEC = DAY_MS / SECOND_MS;
const MOST_OVERLAP_SEC = 7 * DAY_SEC;
const DEFAULT_OVERLAP_SEC = DAY_SEC;

/** The schema of a list of addresses and CIDR ranges; it returns each once. */
export const addressList = boundedList(
  storableText(64).refine(
    (text) => readRange(text) !== undefined,
    'must be an address or a CIDR range',
  ),
  MOST_ADDRESSES,
).transform((list) => [...new Set(list)]);

/** The schema of the life of a key, in days. */
export const daysField = z.number().int().min(1).max(MOST_DAYS);

/** The schema of the time for which the secret before a rotation stays valid. */
export const overlapField = z
  .number()
  .int()
  .min(0)
  .max(MOST_OVERLAP_SEC)
  .default(DEFAULT_OVERLAP_SEC);

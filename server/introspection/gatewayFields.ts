import { z } from 'zod';
import { LONGEST_STEP_UP_WINDOW_SEC } from '../config/sessionSettings';
import { readAddress } from '../http/clientAddress';
import { storableText, wholeNumber } from '../http/routeTable';
import { PERMISSION_NAME } from '../permissions';

/** The schema of the address of a service's client. */
export const clientAddress = storableText(100, 1, '203.0.113.7').transform((text, { issues }) => {
  const read = readAddress(text);
  if (read !== null) return read;
  issues.push({ code: 'custom', input: undefined, message: 'must be an IP address' });
  return z.NEVER;
});

/** The schema of a permission that a route needs. */
export const permissionName = z.string().regex(PERMISSION_NAME, 'must be the name of a permission');

/** The schema of the greatest age of a step-up, as text. */
export const windowSeconds = wholeNumber(LONGEST_STEP_UP_WINDOW_SEC).pipe(z.number().min(1));

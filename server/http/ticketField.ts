import { z } from 'zod';

/** One line of 1 to 128 characters: it appears in the audit log and in tables. */
const TICKET = /^[^\p{C}\p{Zl}\p{Zp}]{1,128}$/u;

/** The schema of a reference to a request elsewhere, such as a ticket number. */
export const ticketField = z
  .string()
  .trim()
  .regex(TICKET, 'must be 1 to 128 characters in one line');

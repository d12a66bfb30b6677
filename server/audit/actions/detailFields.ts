import { z } from 'zod';

/** Fields that the details of several groups of actions have. */
export const score = z.number().int().min(0).max(100);
export const reasons = z.array(z.string());
export const degraded = z.boolean().optional();
export const via = z.enum([
  'api',
  'operator',
  'bootstrap',
  'notice',
  'invitation',
  'service',
  // A membership reached its end.
  'expiry',
  // The directory of the tenant, by SCIM.
  'scim',
]);

/** The fields that show the author and the approver of a change, how long it took, and why. */
export const provenance = {
  requestedBy: z.string().optional(),
  approvedBy: z.string().optional(),
  secondsToEffect: z.number().min(0).optional(),
  reason: z.string().optional(),
};

import type { Response } from 'supertest';
import { ERRORS } from '@/server/errors';

/** Details that no answer may reveal: code, queries, the database, secrets. */
export const LEAK =
  /node_modules|\.[jt]s:\d|\bat [\w.<>]+ \(|\bSELECT\b|\bINSERT\b|\bUPDATE\b|postgres|drizzle|sqlstate|relation "|argon2|"stack"|PRIVATE KEY/i;

/**
 * Expects a refusal as the contract describes it: one of these statuses, a known code, and no
 * internal details.
 */
export function expectRefusal(res: Response, statuses: readonly number[]): void {
  expect(statuses).toContain(res.status);
  const body = res.body as { error: keyof typeof ERRORS; correlationId?: string; status?: number };
  expect(ERRORS[body.error].status).toBe(res.status);
  expect(res.headers['x-correlation-id']).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  expect(res.text).not.toMatch(LEAK);
  if (ERRORS[body.error].fixed) {
    expect(res.type).toBe('application/json');
  } else {
    expect(res.type).toBe('application/problem+json');
    expect(body.correlationId).toBe(res.headers['x-correlation-id']);
    expect(body.status).toBe(res.status);
  }
}

import { randomBytes } from 'node:crypto';
import { generateSync } from 'otplib';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { createMailer } from '@/server/mail';
import { createMetrics } from '@/server/metrics';
import { enrollTotpForStaff } from '@/server/security';
import { memoryLog } from '../server/memoryLog';
import { operatorContext } from '../server/openNode';
import { seedSettings } from '../server/seedSettings';

const STEP_SEC = 30;
/** Shared, because making them is slow and nobody reads them. */
const metrics = createMetrics();

/**
 * Enrols a TOTP factor as an operator does if no mail can be sent, so there is no notice.
 * @returns its secret in base32
 */
export function giveFactor(staff: {
  tenantId: string;
  userId: string;
  staffId: string;
}): Promise<string> {
  const { config: settings, keys } = seedSettings();
  const config = { ...settings, production: true };
  const { logger } = memoryLog();
  const mail = createMailer({ config, db, keys, logger, metrics, sends: false });
  const clock = { now: () => new Date() };
  const random = { bytes: randomBytes, id: () => uuidV7(Date.now(), randomBytes(16)) };
  const { tenantId, userId, staffId } = staff;
  const who = { tenantId, userId, staffId };
  const deps = { keys, clock, random, mail, logger, metrics };
  return db.transaction((tx) => enrollTotpForStaff(deps, tx, operatorContext, who, 'operator'));
}

/**
 * Returns the code that an authenticator shows, a number of steps before (-) or after (+) a time.
 */
export const codeAt = (secret: string, at: Date, steps = 0): string =>
  generateSync({ secret, epoch: Math.floor(at.getTime() / 1000) + steps * STEP_SEC });

/** Returns that many different six-digit codes, none of which is valid now or soon. */
export function wrongCodes(secret: string, at: Date, count: number): string[] {
  const right = new Set([-3, -2, -1, 0, 1, 2, 3].map((steps) => codeAt(secret, at, steps)));
  const wrong: string[] = [];
  for (let number = 0; wrong.length < count; number += 1) {
    const code = String(number).padStart(6, '0');
    if (!right.has(code)) wrong.push(code);
  }
  return wrong;
}

import type { Express } from 'express';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { riskDecisions } from '@/server/db/schema';
import type { ReadyConfig } from '@/server/config';
import type { Deps } from '@/server/deps';
import type { SeenSignal } from '@/server/security/risk/score';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions, SeededAuth } from '../seedAuth';
import { buildApp, createMovableClock } from '../server/testApp';

interface Member {
  email: string;
  password: string;
  rememberMe?: boolean;
}

/** A device with a cookie jar of its own. */
interface Browser {
  login(who: Member, address: string): request.Test;
  refresh(refreshToken: unknown, address: string): request.Test;
  verify(code: string): request.Test;
}

function openBrowser(app: Express, userAgent: string): Browser {
  const jar = request.agent(app).set('user-agent', userAgent);
  return {
    login: ({ email, password, rememberMe }, address) =>
      jar
        .post('/api/auth/login')
        .set('x-forwarded-for', address)
        .send({ email, password, rememberMe }),
    refresh: (refreshToken, address) =>
      jar.post('/api/auth/refresh').set('x-forwarded-for', address).send({ refreshToken }),
    verify: (code) =>
      jar.post('/api/security/step-up/verify').send({ code, purpose: 'security_settings' }),
  };
}

/**
 * Creates a member who has signed in once from this address, on their own device. The token is from
 * that login.
 */
async function seedAtHome(
  app: Express,
  address: string,
  options: SeedOptions = {},
): Promise<SeededAuth & { laptop: Browser }> {
  const member = await seedTestUserAndToken(options);
  const laptop = openBrowser(app, `The laptop of ${member.email}`);
  const { status, body } = await laptop.login(member, address);
  if (status !== 200) throw new Error(`the first login was answered with ${status}`);
  return { ...member, refreshToken: String(body.refreshToken), laptop };
}

interface Decided {
  status: number;
  score: number;
  reasons: string[];
  outcome: string;
}

/** Returns the stored decision behind an answer. */
async function decisionBehind(deps: Deps, res: request.Response) {
  await deps.riskDecisions.flush();
  const id = res.get('x-correlation-id') ?? '';
  const rows = await db.select().from(riskDecisions).where(eq(riskDecisions.correlationId, id));
  const [row] = rows;
  if (!row || rows.length > 1)
    throw new Error(`expected 1 decision for the answer, found ${rows.length}`);
  return { ...row, signals: row.signals as SeenSignal[] };
}

/** Returns the result of an answer. A challenge must show the stored score and reasons. */
async function decidedBy(deps: Deps, res: request.Response): Promise<Decided> {
  const { score, reasons, outcome } = await decisionBehind(deps, res);
  if (res.status === 428) expect(res.body).toMatchObject({ score, reasons });
  return { status: res.status, score, reasons, outcome };
}

export const CALM: Decided = { status: 200, score: 0, reasons: [], outcome: 'allowed' };

/** The person was let in, although these signals saw something. */
export const allowed = (score: number, ...reasons: string[]): Decided => ({
  status: 200,
  score,
  reasons,
  outcome: 'allowed',
});

export const challenged = (score: number, ...reasons: string[]): Decided => ({
  status: 428,
  score,
  reasons,
  outcome: 'challenged',
});

/** Opens an application with its own clock, to replay histories. */
export function openHistory(settings: Partial<ReadyConfig> = {}, clock = createMovableClock()) {
  const { app, deps } = buildApp(settings, { clock });
  const browser = (userAgent: string) => openBrowser(app, userAgent);
  return {
    app,
    clock,
    openBrowser: browser,
    seedAtHome: (address: string, options?: SeedOptions) => seedAtHome(app, address, options),
    decisionBehind: (res: request.Response) => decisionBehind(deps, res),
    decidedBy: (res: request.Response) => decidedBy(deps, res),
    /** Signs in, and returns the result. */
    signIn: async (on: Browser, who: Member, address: string) =>
      decidedBy(deps, await on.login(who, address)),
    /** Tries a wrong password on this account that many times, as a stranger. */
    async mistype(who: { email: string }, address: string, times: number): Promise<void> {
      const stranger = browser('Somebody who does not know the password');
      for (let count = 0; count < times; count += 1) {
        const { status } = await stranger.login({ ...who, password: 'a wrong guess' }, address);
        if (status !== 401) throw new Error(`a wrong password was answered with ${status}`);
      }
    },
  };
}

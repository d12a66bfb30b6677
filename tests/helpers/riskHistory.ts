import type { Express } from 'express';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { riskDecisions } from '@/server/db/schema';
import type { ReadyConfig } from '@/server/config';
import type { Deps } from '@/server/deps';
import type { SeenSignal } from '@/server/security/score';
import { seedTestUserAndToken } from './seedAuth';
import type { SeedOptions, SeededAuth } from './seedAuth';
import { buildApp, createMovableClock } from './testApp';

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

/** A member who has signed in once, from this address, on a device of their own; the token is of that login. */
async function seedAtHome(
  app: Express,
  address: string,
  options: SeedOptions = {},
): Promise<SeededAuth & { laptop: Browser }> {
  const member = await seedTestUserAndToken(options);
  const laptop = openBrowser(app, `The laptop of ${member.email}`);
  const { status, body } = await laptop.login(member, address);
  if (status !== 200) throw new Error(`the first login answered ${status}`);
  return { ...member, refreshToken: String(body.refreshToken), laptop };
}

interface Decided {
  status: number;
  score: number;
  reasons: string[];
  outcome: string;
}

/** The decision behind an answer, as it was kept. */
async function decisionBehind(deps: Deps, res: request.Response) {
  await deps.riskDecisions.flush();
  const id = res.get('x-correlation-id') ?? '';
  const rows = await db.select().from(riskDecisions).where(eq(riskDecisions.correlationId, id));
  const [row] = rows;
  if (!row || rows.length > 1) throw new Error(`${rows.length} decisions behind one answer`);
  return { ...row, signals: row.signals as SeenSignal[] };
}

/** What an answer came to; a challenge gives the score and the reasons that were kept. */
async function decidedBy(deps: Deps, res: request.Response): Promise<Decided> {
  const { score, reasons, outcome } = await decisionBehind(deps, res);
  if (res.status === 428) expect(res.body).toMatchObject({ score, reasons });
  return { status: res.status, score, reasons, outcome };
}

export const CALM: Decided = { status: 200, score: 0, reasons: [], outcome: 'allowed' };

/** Let in, for all that was seen. */
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

/** An application with a clock of its own, in which histories are played. */
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
    /** Signs in, and says what came of it. */
    signIn: async (on: Browser, who: Member, address: string) =>
      decidedBy(deps, await on.login(who, address)),
    /** Somebody tries a wrong password on this account so many times. */
    async mistype(who: { email: string }, address: string, times: number): Promise<void> {
      const stranger = browser('Somebody who does not know the password');
      for (let count = 0; count < times; count += 1) {
        const { status } = await stranger.login({ ...who, password: 'a wrong guess' }, address);
        if (status !== 401) throw new Error(`a wrong password was answered ${status}`);
      }
    },
  };
}

import { eq } from 'drizzle-orm';
import express from 'express';
import type { Express } from 'express';
import type { GatehouseOptions, StepUpAnswer, StepUpRequest } from '@/client/contract';
import { db } from '@/server/db';
import { userTotp } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { authenticate } from '@/server/http/authenticate';
import { correlationId } from '@/server/http/correlationId';
import { errorHandler } from '@/server/http/errorHandler';
import { bindServices } from '@/server/bindServices';
import { requireStepUp } from '@/server/http/requireStepUp';
import { attachServices } from '@/server/http/services';
import { listen } from '../http/listen';
import { codeAt, giveFactor } from '../stepUp/secondFactor';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions } from '../seedAuth';
import { openMachine } from './simulatedBrowser';
import type { Machine, Tab } from './simulatedBrowser';
import { buildApp, createMovableClock } from '../server/testApp';
import { HOME } from '../people/traveller';

export const ME = '/api/auth/me';
/** A route of the team's own with a step-up that counts for a period of time. */
export const GUARDED = '/api/guarded';
export const EXPORT = '/api/compliance/export/bundle';
const RANGE = { from: '2026-01-01', to: '2026-01-02', format: 'csv' };

/** Returns the application and beside it one route that a team has put behind `requireStepUp`. */
function withGuardedRoute(app: Express, deps: Deps): Express {
  const outer = express();
  outer.set('trust proxy', deps.config.trustProxy);
  const services = attachServices(bindServices(deps));
  const guards = [services, correlationId, authenticate, requireStepUp('security_settings')];
  outer.get(GUARDED, ...guards, (_req, res) => void res.json({}));
  outer.use(app);
  outer.use(errorHandler);
  return outer;
}

/** Starts a real server whose clock can be moved, with a person at home on their own machine. */
export async function openScene(settings: Parameters<typeof buildApp>[0] = {}, realTime = false) {
  const clock = createMovableClock();
  const { app, deps } = buildApp(settings, realTime ? {} : { clock });
  const url = await listen(withGuardedRoute(app, deps));

  async function signedIn(
    options: Partial<GatehouseOptions> = {},
    seed: SeedOptions = { permissions: ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'] },
  ) {
    const person = await seedTestUserAndToken(seed);
    const secret = await giveFactor(person);
    const machine: Machine = openMachine(url, { ...HOME });
    const tab: Tab = machine.openTab(options);
    await tab.client.signIn({ email: person.email, password: person.password });
    /** Returns a code that was not used yet. Each code takes one time step. */
    const nextCode = () => {
      clock.forward(30);
      return codeAt(secret, clock.now());
    };
    return { person, secret, machine, tab, nextCode };
  }
  /** Moves the clock by more than the life of an access token. */
  const expireAccess = () => clock.forward(400);
  return { app, deps, clock, url, signedIn, expireAccess };
}

export const removeFactors = (staffId: string) =>
  db.delete(userTotp).where(eq(userTotp.staffId, staffId));

export const statusOf = async (response: Promise<Response>): Promise<number> => {
  const { status, body } = await response;
  await body?.cancel();
  return status;
};

/** Simulates a person who gives prepared answers, and records the questions. */
export function person(
  answers: ((request: StepUpRequest) => StepUpAnswer | Promise<StepUpAnswer>)[] = [],
) {
  const asked: StepUpRequest[] = [];
  return {
    asked,
    answers,
    onStepUp(request: StepUpRequest) {
      asked.push(request);
      const next = answers[asked.length - 1];
      if (!next) throw new Error('the client asked for a proof more often than the test expects');
      return next(request);
    },
  };
}
export const get = (tab: Tab, path: string) => statusOf(tab.client.fetch(path));
export const exportBundle = (tab: Tab) =>
  statusOf(
    tab.client.fetch(EXPORT, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(RANGE),
    }),
  );
export const paths = (tab: Tab) => tab.calls.map(({ path }) => path);

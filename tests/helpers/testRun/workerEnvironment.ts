import { createRequire } from 'node:module';
import type { EnvironmentContext, JestEnvironment, JestEnvironmentConfig } from '@jest/environment';
import { LegacyFakeTimers, ModernFakeTimers } from '@jest/fake-timers';
import { ModuleMocker } from 'jest-mock';
import { compileInWorker } from './compileOnce';
import { rememberGlobals } from './rememberGlobals';
import { disableStores, rememberStores } from './rememberStores';
import { openProduct } from './sharedModules';

compileInWorker();
rememberStores();

const requirePackage = createRequire(__filename);

/**
 * Runs test files with the global objects of their worker, one after the other. Jest's own
 * environment gives each file new ones in a `vm` context, where every look-up of a global takes
 * longer and modules cannot be shared, so V8 never gets to optimise them. `teardown` undoes what
 * a file did to the globals.
 */
export default class WorkerEnvironment implements JestEnvironment {
  readonly global = globalThis as unknown as JestEnvironment['global'];
  readonly moduleMocker = new ModuleMocker(globalThis);
  readonly fakeTimers: JestEnvironment['fakeTimers'];
  readonly fakeTimersModern: JestEnvironment['fakeTimersModern'];
  /** For workerRuntime.cjs. */
  readonly openProduct = openProduct;
  private readonly restoreGlobals: () => void;

  constructor({ projectConfig }: JestEnvironmentConfig, _context: EnvironmentContext) {
    this.restoreGlobals = rememberGlobals();
    // The stubs that sharedPackages.mjs writes call it.
    Object.assign(globalThis, { requireSharedPackage: requirePackage });
    const timers = { config: projectConfig, global: globalThis };
    this.fakeTimers = new LegacyFakeTimers({
      ...timers,
      moduleMocker: this.moduleMocker,
      timerConfig: {
        idToRef: (id) => ({ id, ref: () => undefined, unref: () => undefined }),
        refToId: (timer: { id: number } | undefined) => timer?.id,
      },
    });
    this.fakeTimersModern = new ModernFakeTimers(timers);
  }

  setup(): Promise<void> {
    return Promise.resolve();
  }

  teardown(): Promise<void> {
    this.fakeTimers?.dispose();
    this.fakeTimersModern?.dispose();
    disableStores();
    this.restoreGlobals();
    return Promise.resolve();
  }

  exportConditions(): string[] {
    return ['node', 'node-addons'];
  }

  /** Jest compiles nothing without a context. `compileOnce` leaves it out. */
  getVmContext(): ReturnType<JestEnvironment['getVmContext']> {
    return globalThis;
  }
}

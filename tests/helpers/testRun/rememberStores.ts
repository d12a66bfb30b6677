import { AsyncLocalStorage } from 'node:async_hooks';

type Store = AsyncLocalStorage<unknown>;

/** The stores that have been entered since the last `disableStores`. */
const entered = new Set<Store>();

/** Makes `disableStores` know each store from now on. */
export function rememberStores(): void {
  const { prototype } = AsyncLocalStorage;
  for (const name of ['run', 'enterWith'] as const) {
    const enter = Reflect.get(prototype, name) as (...args: unknown[]) => unknown;
    const remembered = function (this: Store, ...args: unknown[]): unknown {
      entered.add(this);
      return enter.apply(this, args);
    };
    Object.defineProperty(prototype, name, { value: remembered, writable: true });
  }
}

/**
 * Disables the stores of a test file. Node.js hands every store that was ever entered to each new
 * promise and timer. Each test file makes new ones, so after forty files a promise cost thirty
 * times as much as after the first.
 */
export function disableStores(): void {
  for (const store of entered) store.disable();
  entered.clear();
}

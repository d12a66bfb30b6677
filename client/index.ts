import { thisBrowser } from './browser';
import { buildClient } from './client';
import type { GatehouseClient, GatehouseOptions } from './contract';

/**
 * Creates the client of a tab. One per tab is enough. All tabs of an origin share one session.
 * @param options `onStepUp` asks the person for a second proof; `onSignedOut` is called when the
 *   session ends
 */
export function createGatehouseClient(options: GatehouseOptions): GatehouseClient {
  return buildClient(options, thisBrowser());
}

export * from './contract';

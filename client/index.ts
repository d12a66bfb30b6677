import { thisBrowser } from './browser';
import { buildClient } from './client';
import type { GatehouseClient, GatehouseOptions } from './contract';

/**
 * Makes the client of a tab. One is enough; all tabs of an origin share one session.
 * @param options `onStepUp` asks the person for a second proof, `onSignedOut` hears that the session has ended
 */
export function createGatehouseClient(options: GatehouseOptions): GatehouseClient {
  return buildClient(options, thisBrowser());
}

export * from './contract';

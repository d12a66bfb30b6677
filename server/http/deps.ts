import type { Drain } from './drain';
import type { ProxyWatch } from './proxyWatch';

/** The parts that the HTTP layer adds to the kernel. */
export interface HttpParts {
  proxyWatch: ProxyWatch;
  /** Whether this node is stopping. */
  drain: Drain;
}

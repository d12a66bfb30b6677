import type { Delivery } from './delivery/openDelivery';
import type { Sealer } from './log/sealer';

/** The parts that the audit log adds to the kernel. */
export interface AuditParts {
  sealer: Sealer;
  deliverer: Delivery;
  eventFeed: Delivery;
}

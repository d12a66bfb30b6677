import type { CheckpointDeliverer } from './delivery/checkpointDeliverer';
import type { EventFeed } from './delivery/feed/eventFeed';
import type { Sealer } from './log/sealer';

/** The parts that the audit log adds to the kernel. */
export interface AuditParts {
  sealer: Sealer;
  deliverer: CheckpointDeliverer;
  eventFeed: EventFeed;
}

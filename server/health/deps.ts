import type { HttpParts } from '../http/deps';
import type { IpRuleParts } from '../ipRules';
import type { Kernel } from '../kernel';
import type { WriteProbe } from './writeProbe';

/** The parts that the health checks add to the kernel. */
export interface HealthParts {
  writeProbe: WriteProbe;
}

/** The dependencies that functions of `health/` may ask for. */
export type HealthDeps = Kernel & HttpParts & HealthParts & Pick<IpRuleParts, 'ipRules'>;

import type { Kernel } from '../kernel';
import type { HttpParts } from '../http/deps';
import type { ChangeReader } from './changeReader';

/** The part that this area adds. */
export interface AccessChangeParts {
  changeReader: ChangeReader;
}

/** The dependencies that functions of `accessChanges/` may ask for. */
export type AccessChangeDeps = Kernel & HttpParts & AccessChangeParts;

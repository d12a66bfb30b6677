import type { Pool } from 'pg';
import type { ReadyConfig } from './config';
import type { Clock, Random } from './context';
import type { Db } from './db';
import type { Broadcast } from './db/broadcast';
import type { ChangeWatch } from './db/changeWatch';
import type { KeyRing } from './keyRing';
import type { Logger } from './logger';
import type { Metrics } from './metrics';
import type { NodeClock } from './nodeClock';
import type { SimulationLine } from './simulationLine';
import type { SchemaGuard } from './schema/guard/schemaGuard';

/** The parts that every area may use. Each area adds its own in its `deps.ts`. */
export interface Kernel {
  config: ReadyConfig;
  logger: Logger;
  metrics: Metrics;
  clock: Clock;
  /** The same clock as `clock`, unless a test gives another. */
  nodeClock: NodeClock;
  random: Random;
  keys: KeyRing;
  db: Db;
  /** The pool beneath `db`, for prepared hot statements and COPY. */
  pool: Pool;
  schemaGuard: SchemaGuard;
  /** One simulation at a time. */
  simulations: SimulationLine;
  /** Messages between the nodes on one database. */
  broadcast: Broadcast;
  /** Watches for changes that any node, or SQL by hand, has made. */
  changeWatch: ChangeWatch;
}

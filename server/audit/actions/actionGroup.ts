import type { z } from 'zod';
import type { OcsfMapping } from '../ocsf/mapping';

/** Everything that is known about an action. */
export interface ActionDefinition {
  /**
   * The schema of the details. It is strict: a field that it does not name is refused, so a secret
   * cannot slip into the log.
   */
  readonly details: z.ZodType;
  /**
   * How the action is expressed in OCSF, with one sentence for people. Of two mappings, the first
   * holds for the events that its `where` describes, the second for the others.
   */
  readonly ocsf: OcsfMapping | readonly [OcsfMapping, OcsfMapping];
}

/** A part of the closed list of actions, by the name of the action. */
export type ActionGroup = Readonly<Record<string, ActionDefinition>>;

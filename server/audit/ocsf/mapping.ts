import type { OcsfClassName, Severity } from './classes';

/**
 * How an action is expressed in OCSF. An activity of the class is used only if it means exactly
 * that, because dashboards count logons by it. A refreshed token is therefore no logon, and a
 * step-up within a login is not a second one.
 */
export interface OcsfMapping {
  readonly class: OcsfClassName;
  /** An activity of the class, or a name of our own. */
  readonly activity: string;
  readonly severity: Severity;
  /** One sentence for people who read the line. */
  readonly message: string;
  /** If set, the mapping holds only for events whose details have this value; the next mapping holds for the others. */
  readonly where?: { readonly detail: string; readonly is: string | number };
  /** The response of our own control to the attempt. */
  readonly disposition?: 'Blocked' | 'Challenge';
  /** Further attributes, which are read from the details. */
  readonly has?: readonly ('score' | 'mfa' | 'factor' | 'alert' | 'impersonation' | 'evidence')[];
  /**
   * `subject`: only the subject's session is named. If not set, the actor's session is named when the subject is no
   * session.
   */
  readonly session?: 'subject';
  /** Only for API Activity: the operation is one of the team's own product. */
  readonly reported?: true;
  /** Only for Entity Management: the managed entity. */
  readonly entity?: { readonly type: string; readonly name: string };
}

/**
 * The mapping of an event that a service of the team reported. OCSF has no class for the business
 * of an application, and the operation of its API comes closest.
 */
export const REPORTED_ACTION: OcsfMapping = {
  class: 'api',
  activity: 'Reported Event',
  severity: 'Informational',
  message: "The organisation's own product reported an event",
  reported: true,
};

/** The mapping of an action that this release does not know, because a newer release wrote it. */
export const UNKNOWN_ACTION: OcsfMapping = {
  class: 'base',
  activity: 'Unknown Action',
  severity: 'Informational',
  message: 'An event that this release does not know',
};

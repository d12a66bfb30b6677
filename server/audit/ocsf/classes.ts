/** The release of the Open Cybersecurity Schema Framework that the lines conform to. */
export const OCSF_VERSION = '1.8.0';

interface OcsfClass {
  readonly uid: number;
  readonly name: string;
  readonly category: { readonly uid: number; readonly name: string };
  /** The activities that are used here, by name; any other activity has the id 99 and a name of our own. */
  readonly activities: Readonly<Record<string, number>>;
}

const FINDINGS = { uid: 2, name: 'Findings' };
const IAM = { uid: 3, name: 'Identity & Access Management' };
const APPLICATION = { uid: 6, name: 'Application Activity' };

/** The OCSF classes of our events. */
export const OCSF_CLASSES = {
  base: {
    uid: 0,
    name: 'Base Event',
    category: { uid: 0, name: 'Uncategorized' },
    activities: {},
  },
  finding: {
    uid: 2004,
    name: 'Detection Finding',
    category: FINDINGS,
    activities: { Create: 1 },
  },
  account: {
    uid: 3001,
    name: 'Account Change',
    category: IAM,
    activities: {
      Create: 1,
      Enable: 2,
      'Password Change': 3,
      'Password Reset': 4,
      Disable: 5,
      Delete: 6,
      'MFA Factor Enable': 10,
      'MFA Factor Disable': 11,
      Unlock: 12,
    },
  },
  authentication: {
    uid: 3002,
    name: 'Authentication',
    category: IAM,
    activities: { Logon: 1, Logoff: 2, 'Account Switch': 7 },
  },
  entity: {
    uid: 3004,
    name: 'Entity Management',
    category: IAM,
    activities: { Create: 1, Update: 3, Delete: 4, Suspend: 12, Resume: 13 },
  },
  lifecycle: {
    uid: 6002,
    name: 'Application Lifecycle',
    category: APPLICATION,
    activities: { Update: 8 },
  },
  api: {
    uid: 6003,
    name: 'API Activity',
    category: APPLICATION,
    activities: { Read: 2 },
  },
  error: {
    uid: 6008,
    name: 'Application Error',
    category: APPLICATION,
    activities: { 'General Error': 1 },
  },
} as const satisfies Record<string, OcsfClass>;

export type OcsfClassName = keyof typeof OCSF_CLASSES;

export const SEVERITIES = { Informational: 1, Low: 2, Medium: 3, High: 4, Critical: 5 } as const;
export type Severity = keyof typeof SEVERITIES;

/**
 * Returns the id of an activity, or 99 if the class has no such activity. The schema then takes the name from the
 * source.
 */
export function activityId(className: OcsfClassName, activity: string): number {
  const { activities }: OcsfClass = OCSF_CLASSES[className];
  return activities[activity] ?? 99;
}

/**
 * The criteria that a bundle answers, each in a short form: Trust Services Criteria (AICPA, 2017, with the points of
 * focus of 2022).
 */
export const CRITERIA = {
  'CC6.1':
    'Logical access: only known and authorised people get in, and their credentials are protected.',
  'CC6.2': 'Accounts are given only to authorised people, and removed when the authorisation ends.',
  'CC6.3': 'Access follows roles and duties, is limited to what people need, and is reviewed.',
  'CC6.6': 'The system is protected against threats from outside its boundary.',
  'CC6.7': 'Only authorised people move data out of the system, and each transfer is recorded.',
  'CC7.2': 'Systems are monitored for anomalies, and anomalies are analysed.',
  'CC7.3': 'Security events are evaluated, and incidents are acted upon.',
  'CC8.1': 'Changes are authorised, tested, recorded, and applied as approved.',
} as const;

/** A row of controls.csv, without the file that it belongs to. */
export interface ControlRow {
  readonly criterion: keyof typeof CRITERIA;
  /** The order among the files of the criterion, if it is not their order in the bundle. */
  readonly place?: 'first' | 'last';
  readonly lookFor: string;
  /** The questions that the file cannot answer. */
  readonly limits: string;
}

/** The known faults of the live schema, in words. */
export interface SchemaView {
  missing: readonly string[];
  /**
   * One phrase for each difference, such as `index public.users.x is missing`. Missing tables are
   * not among them.
   */
  findings: readonly string[];
}

export const isSound = ({ missing, findings }: SchemaView): boolean =>
  missing.length === 0 && findings.length === 0;

export const sameView = (one: SchemaView, other: SchemaView): boolean =>
  one.missing.join('\n') === other.missing.join('\n') &&
  one.findings.join('\n') === other.findings.join('\n');

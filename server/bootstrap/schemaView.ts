/** What is known to be wrong with the live schema, in words. */
export interface SchemaView {
  missing: readonly string[];
  /** One phrase a difference, as `index public.users.x is missing`; missing tables are not among them. */
  findings: readonly string[];
}

export const isSound = ({ missing, findings }: SchemaView): boolean =>
  missing.length === 0 && findings.length === 0;

export const sameView = (one: SchemaView, other: SchemaView): boolean =>
  one.missing.join('\n') === other.missing.join('\n') &&
  one.findings.join('\n') === other.findings.join('\n');

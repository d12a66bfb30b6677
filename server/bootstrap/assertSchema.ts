import type { ReadyConfig } from '../config';
import { describeDifference } from './catalogue/compareCatalogues';
import type { GuardReport } from './schemaGuard';

/** `SCHEMA_GUARD=enforce`, and the live schema is not what this release's migrations make. */
export class SchemaDriftError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SchemaDriftError';
  }
}

const ADVICE =
  'Refusing to start: mend the schema (`npm run admin -- db check` names each statement), or set SCHEMA_GUARD=warn.';

/**
 * Refuses a start that `SCHEMA_GUARD=enforce` forbids. Differences that cannot hurt the code, such as an index
 * more, are told and let pass.
 * @param report what the first look found; undefined where it could not look
 * @throws SchemaDriftError with a sentence for each difference
 */
export function assertSchema(
  config: Pick<ReadyConfig, 'schemaGuard'>,
  report: GuardReport | undefined,
): void {
  if (config.schemaGuard === 'warn') return;
  if (!report) {
    throw new SchemaDriftError(['The schema could not be checked.', ADVICE]);
  }
  const harmful = report.differences.filter(({ harmless }) => !harmless);
  if (harmful.length > 0) throw new SchemaDriftError([...harmful.map(describeDifference), ADVICE]);
}

import type { ReadyConfig } from '../../config';
import { ConnectionError, explainConnectionFault } from '../../db/connectionFaults';
import { PoolerError, explainPooler } from '../../db/databaseRoute';
import type { Logger } from '../../logger';
import { foldGrants } from '../roles/foldGrants';
import type { GuardReport, SchemaGuard } from './schemaGuard';

/**
 * Thrown with `SCHEMA_GUARD=enforce` if the live schema differs from what this release's migrations
 * create.
 */
export class SchemaDriftError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SchemaDriftError';
  }
}

const ADVICE =
  'Refusing to start: mend the schema (`npm run admin -- db check` names each statement), or set SCHEMA_GUARD=warn.';

type SchemaConfig = Pick<ReadyConfig, 'schemaGuard' | 'databaseUrl' | 'schemaKnownRoles'>;

/**
 * If the database, or a pooler in front of it, refuses the connection, the schema is not at fault.
 * The error must name the connection then.
 */
function assertConnection({ schemaGuard, databaseUrl }: SchemaConfig, error: unknown): void {
  const pooler = explainPooler(error, databaseUrl);
  if (pooler !== undefined) throw new PoolerError(pooler, { cause: error });
  if (schemaGuard === 'warn') return;
  const sentence = explainConnectionFault(error, databaseUrl);
  if (sentence !== undefined) throw new ConnectionError(sentence, { cause: error });
}

/**
 * Starts the schema guard, and refuses a start that `SCHEMA_GUARD=enforce` forbids. Differences
 * that cannot harm the code, such as an additional index, are logged only.
 * @throws SchemaDriftError with a sentence for each difference, and one for all grants of a role that
 *   SCHEMA_KNOWN_ROLES could name; PoolerError or ConnectionError if
 *   the schema could not be read
 */
export async function assertSchema(
  config: SchemaConfig,
  { schemaGuard: guard, logger }: { schemaGuard: SchemaGuard; logger: Logger },
): Promise<void> {
  let failure: unknown;
  const report = await guard.start((error) => {
    failure = error;
  });
  if (!report) {
    assertConnection(config, failure);
    logger.warn({ err: failure }, 'the schema could not be checked');
  }
  if (config.schemaGuard === 'enforce') assertSound(report, config.schemaKnownRoles);
}

function assertSound(report: GuardReport | undefined, knownRoles: readonly string[]): void {
  if (!report) throw new SchemaDriftError(['The schema could not be checked.', ADVICE]);
  const harmful = report.differences.filter(({ harmless }) => !harmless);
  if (harmful.length === 0) return;
  const sentences = foldGrants(harmful, knownRoles).map(({ message, fix, grants }) =>
    grants === undefined ? message : `${message} ${fix}`,
  );
  throw new SchemaDriftError([...sentences, ADVICE]);
}

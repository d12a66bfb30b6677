import { databaseFault } from '../db/pgErrors';
import type { ReadyConfig } from '../config';
import type { Logger } from '../logger';
import { SchemaDriftError } from './assertSchema';
import { inspectServingRole } from './servingRole';

/**
 * Says what the role that the server connects as lacks, before the first request meets it: a migration may have made
 * tables since somebody granted. `SCHEMA_GUARD=enforce` refuses the start.
 * @throws SchemaDriftError naming each privilege, and the command that grants them
 */
export async function assertGrants(
  config: Pick<ReadyConfig, 'databaseUrl' | 'schemaGuard'>,
  logger: Logger,
): Promise<void> {
  let grants: Awaited<ReturnType<typeof inspectServingRole>>;
  try {
    grants = await inspectServingRole(config.databaseUrl);
  } catch (error) {
    // Whoever opens the database next says so, in a better sentence.
    if (databaseFault(error) === 'unavailable') return;
    throw error;
  }
  const { role, lacking, excess } = grants;
  if (excess.length > 0) {
    logger.warn({ code: 'SERVING_ROLE_EXCESS', role, excess }, 'the role may more than it needs');
  }
  if (lacking.length === 0) return;
  const mend = `run \`npm run admin -- db grant --role ${role}\` as the role that owns the tables.`;
  if (config.schemaGuard === 'enforce') {
    const sentences = lacking.map((what) => `The role ${role} lacks ${what}.`);
    throw new SchemaDriftError([...sentences, `Refusing to start: ${mend}`]);
  }
  logger.error({ code: 'SERVING_ROLE_LACKS', role, lacking }, `the role lacks grants: ${mend}`);
}

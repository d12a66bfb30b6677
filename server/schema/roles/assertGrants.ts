import { ConnectionError, explainConnectionFault } from '../../db/connectionFaults';
import { databaseFault } from '../../db/pgErrors';
import type { ReadyConfig } from '../../config';
import type { Logger } from '../../logger';
import { SchemaDriftError } from '../guard/assertSchema';
import type { Ownership } from './findOwnership';
import { inspectServingRole } from './servingRole';

/** Thrown if the database role of the server could undo the audit log; `message` lists the ways. */
export class OwnerRoleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OwnerRoleError';
  }
}

type RoleConfig = Pick<
  ReadyConfig,
  'databaseUrl' | 'schemaGuard' | 'production' | 'allowOwnerRole'
>;

/**
 * Refuses a role that could undo the audit log, or that row-level security does not bind, in
 * production, unless the operator accepted it with `ALLOW_OWNER_ROLE=1`.
 * @throws OwnerRoleError
 */
function assertNoOwner(config: RoleConfig, ownership: Ownership): void {
  const { role, ways, seesAll } = ownership;
  if (seesAll && ways.length === 0 && config.production && !config.allowOwnerRole) {
    throw new OwnerRoleError(
      `${describeBypass(role)}\nRefusing to start: ALTER ROLE it NOBYPASSRLS or revoke the membership, or set ALLOW_OWNER_ROLE=1 to start all the same.`,
    );
  }
  if (ways.length > 0 && config.production && !config.allowOwnerRole) {
    throw new OwnerRoleError(
      `${describeOwnership(ownership)}\nRefusing to start: connect as a role that owns nothing (\`npm run admin -- db grant --role NAME\`, run as the owner, prepares one), or set ALLOW_OWNER_ROLE=1 to start all the same; every evidence bundle then says so.`,
    );
  }
}

const describeOwnership = ({ role, ways }: Pick<Ownership, 'role' | 'ways'>): string =>
  `The role ${role} can undo the audit log: it ${ways.join('; it ')}.`;

/** Returns the sentence about a role that row-level security does not bind. */
export const describeBypass = (role: string): string =>
  `The role ${role} has BYPASSRLS, or is a member of a role that has it, so row-level security does not bind it.`;

/**
 * Logs at the end of a start that the server's role could undo the audit log, or that row-level
 * security does not bind it.
 */
export function warnOfOwnership(logger: Logger, ownership: Ownership | undefined): void {
  if (!ownership) return;
  if (ownership.ways.length === 0) {
    if (!ownership.seesAll) return;
    logger.warn({ code: 'SERVING_ROLE_UNBOUND', ...ownership }, describeBypass(ownership.role));
    return;
  }
  logger.warn({ code: 'SERVING_ROLE_OWNS', ...ownership }, describeOwnership(ownership));
}

/**
 * Checks the privileges of the server's role before the first request needs them: a migration may
 * have created tables since the last grant. With `SCHEMA_GUARD=enforce`, a missing privilege
 * refuses the start.
 * @returns the ways in which the role could undo the audit log, for {@link warnOfOwnership};
 *   undefined if the database cannot be reached
 * @throws SchemaDriftError naming each missing privilege and the command that grants them;
 *   OwnerRoleError; ConnectionError
 */
export async function assertGrants(
  config: RoleConfig,
  logger: Logger,
): Promise<Ownership | undefined> {
  let grants: Awaited<ReturnType<typeof inspectServingRole>>;
  try {
    grants = await inspectServingRole(config.databaseUrl);
  } catch (error) {
    const sentence = explainConnectionFault(error, config.databaseUrl);
    if (sentence !== undefined) throw new ConnectionError(sentence, { cause: error });
    // The next component that connects reports this with a better message.
    if (databaseFault(error) === 'unavailable') return undefined;
    throw error;
  }
  const { role, ways, seesAll, lacking, excess } = grants;
  assertNoOwner(config, grants);
  if (excess.length > 0) {
    logger.warn({ code: 'SERVING_ROLE_EXCESS', role, excess }, 'the role may more than it needs');
  }
  if (lacking.length === 0) return { role, ways, seesAll };
  const mend = `run \`npm run admin -- db grant --role ${role}\` as the role that owns the tables.`;
  if (config.schemaGuard === 'enforce') {
    const sentences = lacking.map((what) => `The role ${role} lacks ${what}.`);
    throw new SchemaDriftError([...sentences, `Refusing to start: ${mend}`]);
  }
  logger.error({ code: 'SERVING_ROLE_LACKS', role, lacking }, `the role lacks grants: ${mend}`);
  return { role, ways, seesAll };
}

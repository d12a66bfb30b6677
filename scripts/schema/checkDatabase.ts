import {
  compareCatalogues,
  describeDifference,
  suggestMend,
} from '../../server/schema/catalogue/compareCatalogues';
import {
  fingerprintOf,
  readExpectedCatalogue,
} from '../../server/schema/catalogue/expectedCatalogue';
import { readCatalogue } from '../../server/schema/catalogue/readCatalogue';
import { readMigrationState } from '../../server/schema/migrations/migrate';
import type { MigrationState } from '../../server/schema/migrations/migrate';
import { describeUrl } from './describeUrl';
import type { Finding } from './finding';
import { withClient } from './scratchDatabase';

export interface DatabaseCheck {
  findings: Finding[];
  /** Host and name, without user and password. */
  database: string;
  expectedFingerprint?: string;
  foundFingerprint?: string;
  applied?: number;
}

const MIGRATE = 'npm run admin -- db migrate';

function judgeMigrations({ pendingTags, problems }: MigrationState): Finding[] {
  const pending = pendingTags.map((tag): Finding => ({
    code: 'PENDING',
    object: tag,
    message: `${tag} has not been applied.`,
    fix: MIGRATE,
  }));
  const wrong = problems.map(({ tag, message }): Finding => ({
    code: 'MIGRATIONS',
    object: tag ?? 'migrations',
    message,
    fix: MIGRATE,
  }));
  return [...wrong, ...pending];
}

/**
 * Compares a live database with the migrations: both the applied migrations and the objects.
 * @param url `postgres://…`, with a role that may connect and read `drizzle.__drizzle_migrations`
 */
export async function checkDatabase(
  url: string,
  migrations: string,
  knownRoles: readonly string[],
): Promise<DatabaseCheck> {
  const database = describeUrl(url);
  try {
    const expected = readExpectedCatalogue(migrations);
    return await withClient(url, async (client) => {
      const state = await readMigrationState(client, migrations);
      const found = await readCatalogue(client);
      const drift = compareCatalogues(expected.objects, found, { knownRoles }).map(
        (difference): Finding => ({
          code: 'DRIFT',
          object: difference.object,
          message: describeDifference(difference),
          fix: suggestMend(difference),
        }),
      );
      // While migrations are pending, the objects that they create are missing for that reason
      // only.
      const findings = [...judgeMigrations(state), ...(state.pending > 0 ? [] : drift)];
      const fingerprints = {
        expectedFingerprint: expected.fingerprint,
        foundFingerprint: fingerprintOf(found),
      };
      return { findings, database, applied: state.applied, ...fingerprints };
    });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const why = [code, message].filter(Boolean).join(' ').replaceAll(url, database);
    const finding: Finding = {
      code: 'COULD_NOT_LOOK',
      object: database,
      message: `The database ${database} could not be checked: ${why}`,
      fix: 'check DATABASE_URL and the network, then run the check again',
    };
    return { findings: [finding], database };
  }
}

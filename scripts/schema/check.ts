import { checkManifest, checkRegenerated } from './checkCatalogue';
import { checkFiles } from './checkFiles';
import { checkLanded, checkTracked, hashMigrations } from './checkGit';
import type { GitMode } from './checkGit';
import { checkSchema } from './checkSchema';
import { migrationsOf, readFolder } from './folder';
import type { Finding, Findings } from './finding';
import { NO_GIT, openGit } from './git';
import { lint } from './lint';
import { withStagedCopy } from './stagedCopy';

export interface CheckOptions {
  root: string;
  mode: GitMode;
  /**
   * Whether everything that could not be checked becomes a finding, and the manifest is created
   * again and compared.
   */
  strict: boolean;
  /** The commit that holds the landed migrations; the default is main. */
  base?: string | undefined;
  /** A live database to compare with. */
  databaseUrl?: string | undefined;
  knownRoles?: readonly string[];
}

/** Compares schema and migrations with each other, in a checkout or in a copy of it. */
async function checkContent(root: string, strict: boolean): Promise<Findings> {
  let folder: ReturnType<typeof readFolder>;
  try {
    folder = readFolder(root);
  } catch (error) {
    const message = `${error instanceof Error ? error.message : String(error)}.`;
    const fix = 'git checkout -- migrations/meta, or correct the JSON';
    return {
      findings: [{ code: 'FILE_MISSING', object: 'migrations', message, fix }],
      notLooked: [],
    };
  }
  const files = checkFiles(folder);
  const [schema, linted] = await Promise.all([checkSchema(root, folder), lint(folder)]);
  const findings = [...files, ...schema, ...linted.findings, ...checkManifest(folder)];
  // Inconsistent migrations cannot be applied.
  if (strict && findings.length === 0) findings.push(...(await checkRegenerated(folder)));
  return { findings, notLooked: linted.notLooked };
}

async function checkDatabaseToo(options: CheckOptions): Promise<Finding[]> {
  if (options.databaseUrl === undefined) return [];
  const { databaseUrl, root, knownRoles = [] } = options;
  // This is imported only when needed, because it imports the schema, which may be the broken part.
  const { checkDatabase } = await import('./checkDatabase.js');
  return (await checkDatabase(databaseUrl, migrationsOf(root), knownRoles)).findings;
}

/** Checks whether code, migrations, git and, if requested, a live database agree. */
export async function check(options: CheckOptions): Promise<Findings> {
  const { root, mode, strict } = options;
  const git = openGit(root);
  const inGit = git
    ? [
        ...checkTracked(root, git, mode),
        ...checkLanded(git, options.base, hashMigrations(root, git, mode)),
      ]
    : [];
  const content =
    git && mode === 'staged'
      ? await withStagedCopy(root, git, (copy) => checkContent(copy, strict))
      : await checkContent(root, strict);
  const notLooked = [...(git ? [] : [NO_GIT]), ...content.notLooked];
  const unseen = (strict ? notLooked : []).map((what): Finding => ({
    code: 'COULD_NOT_LOOK',
    object: what.slice(0, what.indexOf(':')),
    message: `Not checked: ${what}.`,
    fix: 'run the check on a machine that can check it, or omit --strict',
  }));
  const findings = [...inGit, ...content.findings, ...unseen, ...(await checkDatabaseToo(options))];
  return { findings, notLooked };
}

import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { EmbeddedPostgresError } from './embeddedError';
import { readIfThere, writeAtomically } from './ownedFiles';
import type { Account } from './guardedProcess';
import { canReach, makeSystemFolder } from './reach';

/** The folders of one database, and the account that works on them. */
export interface Place {
  dataDir: string;
  /**
   * The folder that holds the cluster: the data folder, or a folder of root if the data folder
   * cannot be reached.
   */
  home: string;
  cluster: string;
  account: Account;
}

/**
 * Creates the data folder, and closes it to other accounts as far as possible.
 * @param folder the operator's path
 * @returns its real path
 * @throws EmbeddedPostgresError if this account cannot use it
 */
export function prepareDataDir(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const dataDir = realpathSync(folder);
  const uid = process.getuid?.();
  const owner = statSync(dataDir).uid;
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notYours(dataDir, owner, error);
  }
  const isOurs = readdirSync(dataDir).length === 0 || existsSync(passwordFile(dataDir));
  // A folder with other files, given by mistake, keeps its mode.
  if (isOurs && (uid === 0 || owner === uid)) chmodSync(dataDir, uid === 0 ? 0o711 : 0o700);
  if (uid === 0 && (statSync(dataDir).mode & 0o002) !== 0) {
    throw new EmbeddedPostgresError(
      `The data folder ${dataDir} contains other files, and every account may write to it: choose a folder that Gatehouse alone uses.`,
    );
  }
  return dataDir;
}

function notYours(dataDir: string, owner: number, cause?: unknown): EmbeddedPostgresError {
  const whose =
    owner === 0 || owner === unprivilegedAccount().uid ? 'root' : `another account (uid ${owner})`;
  return new EmbeddedPostgresError(
    `The data folder ${dataDir} belongs to ${whose} and cannot be used by uid ${process.getuid?.() ?? '?'}: start Gatehouse under the account that made it, give it to this one with chown -R, or choose another folder.`,
    { cause },
  );
}

/**
 * Decides the folder of the cluster.
 * @param dataDir from `prepareDataDir`
 * @param log receives a line if an abandoned cluster is set aside
 * @throws EmbeddedPostgresError if no place is both allowed and reachable
 */
export function choosePlace(dataDir: string, log: (line: string) => void): Place {
  const remembered = readIfThere(locationFile(dataDir))?.trim();
  const inside = path.join(dataDir, 'cluster');
  if (remembered === undefined || existsSync(inside)) {
    const account = accountFor(inside, dataDir);
    if (canReach(dataDir, account)) return { dataDir, home: dataDir, cluster: inside, account };
    if (existsSync(inside)) throw closedAbove(dataDir);
    return outsidePlace(dataDir, account, log);
  }
  if (!existsSync(remembered)) {
    throw new EmbeddedPostgresError(
      `The database of ${dataDir} was kept in ${remembered}, which is gone: restore that folder, or remove ${dataDir} to start with an empty database.`,
    );
  }
  const account = accountFor(remembered, dataDir);
  const home = path.dirname(remembered);
  if (!canReach(home, account)) throw closedAbove(home);
  return { dataDir, home, cluster: remembered, account };
}

function closedAbove(folder: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `The unprivileged account that Postgres needs cannot reach the database in ${folder}: allow other accounts to pass each folder above it (chmod o+x), or start Gatehouse as an ordinary user.`,
  );
}

function outsidePlace(dataDir: string, account: Account, log: (line: string) => void): Place {
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const home = makeSystemFolder(account, name);
  const cluster = path.join(home, 'cluster');
  if (existsSync(cluster) && readIfThere(passwordFile(dataDir)) === null) {
    // The data folder was removed and created again. The operator does not want the old data in it,
    // but only the operator may delete it.
    const aside = path.join(home, `abandoned-${Date.now()}`);
    renameSync(cluster, aside);
    log(`the database of an earlier ${dataDir} was set aside as ${aside}`);
  }
  return { dataDir, home, cluster, account };
}

/**
 * Root works on an existing cluster under the account that owns it, so that this account can use it
 * later.
 */
function accountFor(cluster: string, dataDir: string): Account {
  const uid = process.getuid?.();
  const owner = statSync(cluster, { throwIfNoEntry: false });
  if (uid !== 0) {
    if (owner !== undefined && owner.uid !== uid) throw notYours(dataDir, owner.uid);
    return null;
  }
  if (owner === undefined || owner.uid === 0) return unprivilegedAccount();
  return { uid: owner.uid, gid: owner.gid };
}

/**
 * Postgres refuses to run as root, and initdb refuses an account without a name. On some systems
 * 65534 has none.
 */
function unprivilegedAccount(): NonNullable<Account> {
  const usual = 65534;
  const named = (readIfThere('/etc/passwd') ?? '').split('\n').map((line) => {
    const [name, , uid, gid] = line.split(':');
    return { name, uid: Number(uid), gid: Number(gid) };
  });
  const found =
    named.find(({ uid }) => uid === usual) ??
    // macOS stores the uid of nobody as -2, which cannot be passed on.
    named.find(({ name, uid }) => name === 'nobody' && uid > 0) ??
    named.find(({ name, uid }) => name === 'daemon' && uid > 0);
  return found === undefined ? { uid: usual, gid: usual } : { uid: found.uid, gid: found.gid };
}

/** Records in the data folder that its cluster is in another folder, once there is one. */
export function rememberPlace({ dataDir, home, cluster }: Place): void {
  if (home === dataDir || readIfThere(locationFile(dataDir)) !== null) return;
  writeAtomically(locationFile(dataDir), `${cluster}\n`, 0o644);
}

/** Gives a restored or moved cluster back to its account, with the mode that Postgres requires. */
export function ownCluster({ cluster, account }: Place): void {
  if (account !== null && statSync(cluster).uid !== account.uid) giveTo(cluster, account);
  chmodSync(cluster, 0o700);
}

/** Gives a tree of files to an account. It changes links themselves and does not follow them. */
export function giveTo(tree: string, account: NonNullable<Account>): void {
  lchownSync(tree, account.uid, account.gid);
  if (!statSync(tree).isDirectory()) return;
  for (const entry of readdirSync(tree, { withFileTypes: true, recursive: true })) {
    lchownSync(path.join(entry.parentPath, entry.name), account.uid, account.gid);
  }
}

/**
 * Reads the database password, or creates one for a new database.
 * @throws EmbeddedPostgresError if there is a database but its password is gone
 */
export function choosePassword({ dataDir, cluster }: Place): string {
  const kept = readPassword(dataDir);
  if (kept !== null) return kept;
  if (existsSync(path.join(cluster, 'PG_VERSION'))) {
    throw new EmbeddedPostgresError(
      `The password of the database in ${dataDir} is missing: put the file ${passwordFile(dataDir)} back, or move ${cluster} away to start with an empty database.`,
    );
  }
  const password = randomBytes(24).toString('hex');
  writeAtomically(passwordFile(dataDir), `${password}\n`, 0o600);
  return password;
}

/** Returns the stored database password of a data folder, or null. */
export function readPassword(dataDir: string): string | null {
  const text = readIfThere(passwordFile(dataDir))?.trim();
  return text === undefined || text === '' ? null : text;
}

function passwordFile(dataDir: string): string {
  return path.join(dataDir, 'password');
}

function locationFile(dataDir: string): string {
  return path.join(dataDir, 'cluster-location');
}

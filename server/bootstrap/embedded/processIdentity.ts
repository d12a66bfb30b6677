import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from './files';

/** A process, told apart from a later one that was given the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When it started; empty where the system does not tell. */
  start: string;
}

/**
 * Looks up who has a pid now.
 * @param pid a process id
 * @returns the living process with this pid, or null when there is none (a zombie counts as gone)
 */
export function identifyProcess(pid: number): ProcessIdentity | null {
  if (process.platform === 'linux') {
    try {
      return identifyFromProc(pid);
    } catch {
      // Gone, or hidden from us by hidepid or a missing /proc: the signal below tells which.
    }
  }
  try {
    process.kill(pid, 0);
    return { pid, start: '' };
  } catch (error) {
    return errorCode(error) === 'EPERM' ? { pid, start: '' } : null;
  }
}

function identifyFromProc(pid: number): ProcessIdentity | null {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command in field 2 may hold blanks and brackets, so counting starts behind its last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X') return null;
  // Ticks count from boot: without the boot's own id they could match by chance after a reboot.
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { pid, start: `${boot}/${ticks}` };
}

/**
 * Says whether a process seen earlier still runs.
 * @param seen what `identifyProcess` returned then
 * @returns true unless it is known to be gone
 */
export function isAlive(seen: ProcessIdentity): boolean {
  const now = identifyProcess(seen.pid);
  if (now === null) return false;
  return now.start === '' || seen.start === '' || now.start === seen.start;
}

/**
 * Says whether a pid is a Postgres that works in a given cluster, and not some later process with a reused pid.
 * @param pid a process id
 * @param cluster the real path of the cluster
 */
export function isServerOf(pid: number, cluster: string): boolean {
  if (identifyProcess(pid) === null) return false;
  try {
    if (process.platform === 'linux') {
      const program = path.basename(readlinkSync(`/proc/${pid}/exe`)).split(' ')[0];
      // Postgres makes its cluster the working directory.
      return program === 'postgres' && readlinkSync(`/proc/${pid}/cwd`) === cluster;
    }
    const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
    });
    return command.includes('postgres') && command.includes(cluster);
  } catch {
    // Another account's process: our server would run under an account that we can look into.
    return false;
  }
}

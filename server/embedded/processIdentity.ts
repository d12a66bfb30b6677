import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from './ownedFiles';

/** Identifies a process, and distinguishes it from a later one with the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When it started; empty if the system does not report it. */
  start: string;
}

/**
 * Looks up the process that has a pid now.
 * @param pid a process id
 * @returns the living process with this pid, or null if there is none (a zombie counts as ended)
 */
export function identifyProcess(pid: number): ProcessIdentity | null {
  if (process.platform === 'linux') {
    try {
      return identifyFromProc(pid);
    } catch {
      // The process ended, or hidepid or a missing /proc hides it. The signal below decides.
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
  // The command in field 2 may contain spaces and brackets, so counting starts after the last
  // bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, ticks] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X') return null;
  // The ticks count from boot. Without the id of the boot, two processes could match by chance
  // after a reboot.
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { pid, start: `${boot}/${ticks}` };
}

/**
 * Returns whether a process that was seen earlier still runs.
 * @param seen the result of `identifyProcess` at that time
 * @returns true unless the process is known to have ended
 */
export function isAlive(seen: ProcessIdentity): boolean {
  const now = identifyProcess(seen.pid);
  if (now === null) return false;
  return now.start === '' || seen.start === '' || now.start === seen.start;
}

/**
 * Returns whether a pid belongs to a Postgres server of the given cluster, and not to a later
 * process with a reused pid.
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
    // The process belongs to another account. Our own server would run under an account that this
    // process can inspect.
    return false;
  }
}

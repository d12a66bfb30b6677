import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';

interface ProcessEntry {
  pid: number;
  uid: number;
  group: number;
  command: string;
}

/** Slim containers have /proc and no `ps`; macOS has `ps` and no /proc. */
function fromProc(pid: number): ProcessEntry | undefined {
  try {
    const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const group = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2];
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, uid: Number(uid), group: Number(group), command };
  } catch {
    // It ended in the meantime.
    return undefined;
  }
}

function fromPs(): ProcessEntry[] {
  const columns = ['-A', '-o', 'pid=,uid=,pgid=,args='];
  return execFileSync('ps', columns, { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, uid, group, ...command] = line.trim().split(/\s+/);
      return {
        pid: Number(pid),
        uid: Number(uid),
        group: Number(group),
        command: command.join(' '),
      };
    });
}

/** Returns every process of this machine that this one may see. */
export function listProcesses(): ProcessEntry[] {
  if (!existsSync('/proc/self/stat')) return fromPs();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => fromProc(Number(name)) ?? []);
}

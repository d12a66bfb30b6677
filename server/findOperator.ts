import { hostname, userInfo } from 'node:os';

/** Who runs this process, as far as the machine tells. */
export function findOperator(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    // A container may run as a uid that has no name.
    return `uid ${process.getuid?.() ?? 'unknown'}@${hostname()}`;
  }
}

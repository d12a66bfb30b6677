import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { closeLater } from './closing';
import { REPOSITORY } from './serverProcess';

/** Makes one file of JavaScript, by the compiler's command: its library mistrusts the byte arrays of a test's sandbox. */
export function bundle(source: string, outfile: string, options: readonly string[]): void {
  execFileSync(join(REPOSITORY, 'node_modules', '.bin', 'esbuild'), [
    source,
    '--bundle',
    '--platform=node',
    '--log-level=error',
    `--outfile=${outfile}`,
    ...options,
  ]);
}

const built = new Map<string, string>();

/**
 * Makes JavaScript of a script that a test runs in processes of its own, once for each test file: a compiler in each of
 * them would cost more than what they do. What it imports of the server is the build's.
 * @param source a path of TypeScript that imports the server as `@/server/…`
 * @returns a path that every account can read, removed after the file
 */
export function builtScript(source: string): string {
  const known = built.get(source);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-script-'));
  chmodSync(folder, 0o755);
  closeLater(() => Promise.resolve(rmSync(folder, { recursive: true })));
  const script = join(folder, basename(source).replace(/ts$/, 'js'));
  const dist = join(REPOSITORY, 'dist');
  bundle(source, script, [`--alias:@/server=${join(dist, 'server')}`, `--external:${dist}/*`]);
  built.set(source, script);
  return script;
}

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { closeLater } from './closing';
import { REPOSITORY } from './serverProcess';

/**
 * Bundles a script into one file, by the compiler's command line. The compiler's library rejects
 * the byte arrays of a test's sandbox.
 */
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
 * Compiles a script that a test runs in other processes, once for each test file. Compiling it in
 * each of them would take longer than their work. Its imports of the server use the build.
 * @param source a path of TypeScript that imports the server as `@/server/…`
 * @returns a path that every account can read, which is removed after the file
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

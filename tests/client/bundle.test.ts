import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';

const built = (name: string) => join(REPOSITORY, 'dist', 'client', name);

describe('the built client', () => {
  it('is smaller than 6.75 kB gzipped', () => {
    expect(gzipSync(readFileSync(built('gatehouse.js')), { level: 9 }).length).toBeLessThan(6912);
  });

  it('is one ES module that imports nothing and makes a client', () => {
    const code = readFileSync(built('gatehouse.js'), 'utf8');
    expect(code).not.toMatch(/\bimport\b|\brequire\(/);
    const script = `import(${JSON.stringify(built('gatehouse.js'))}).then(({ createGatehouseClient, GatehouseError }) => {
      const client = createGatehouseClient({ onStepUp: () => null });
      console.log(Object.keys(client).sort().join(), new GatehouseError('X').code);
      client.close();
    })`;
    const said = execFileSync(process.execPath, ['--no-warnings', '-e', script], {
      encoding: 'utf8',
    });
    expect(said).toBe('accessToken,close,fetch,ready,signIn,signOut,signedIn X\n');
  });

  it('has types that a browser application compiles with, and that refuse a wrong use', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-types-'));
    writeFileSync(
      join(folder, 'app.ts'),
      `import { createGatehouseClient, GatehouseError } from '${built('gatehouse.js')}';
const client = createGatehouseClient({
  onStepUp: ({ methods, score, reasons }) => (methods.includes('passkey') ? { method: 'passkey' } : String(score) + reasons.join()),
  onSignedOut: ({ reason }) => console.log(reason satisfies 'security' | 'expired' | 'signed_out' | 'answer_lost'),
});
export const answer: Promise<Response> = client.fetch('/api/auth/me', { signal: AbortSignal.timeout(5) });
export const code = (error: unknown) => (error instanceof GatehouseError ? error.code : '');
// @ts-expect-error who asks must say how
createGatehouseClient({});
`,
    );
    const tsc = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');
    const flags = '--noEmit --strict --target es2022 --lib es2022,dom --module esnext';
    // The folder has no types, so that types of Node cannot replace those of a browser.
    const alone = ['--moduleResolution', 'bundler', '--typeRoots', folder];
    const args = [tsc, ...flags.split(' '), ...alone, join(folder, 'app.ts')];
    try {
      execFileSync(process.execPath, args, { encoding: 'utf8', cwd: folder });
    } catch (error) {
      throw new Error((error as { stdout: string }).stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';

const APP = `import { createGuard, toAct, UnclearAct } from './guard/guard.mjs';
import type { Decision, Guard, Need } from './guard/guard.mjs';
const guard: Guard = createGuard({ url: 'https://gatehouse.example', serviceKey: 'x' });
const need: Need = { permissions: ['app:view'], consume: { purpose: 'app:x', act: toAct({ method: 'PUT', route: '/x' }) } };
export const decision: Promise<Decision> = guard.decide(undefined, need, { address: () => '10.0.0.1' });
export const tenant: string = guard.principalOf({}).tenant;
export const hook = guard.fastify.requirePermission('app:view');
export const status = (error: unknown) => (error instanceof UnclearAct ? error.status : 500);
// @ts-expect-error the service key is missing
createGuard({ url: 'https://gatehouse.example' });
`;

it.each(['nodenext', 'bundler'])(
  'a TypeScript application that imports guard.mjs from a copied folder has its types with %s',
  (resolution) => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-guard-types-'));
    cpSync(join(REPOSITORY, 'dist', 'guard'), join(folder, 'guard'), { recursive: true });
    writeFileSync(join(folder, 'app.mts'), APP);
    const modules = resolution === 'bundler' ? 'esnext' : 'nodenext';
    const args = [
      join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc'),
      ...'--noEmit --strict --skipLibCheck --target es2022 --lib es2022 --types node'.split(' '),
      ...['--module', modules, '--moduleResolution', resolution],
      ...['--typeRoots', join(REPOSITORY, 'node_modules', '@types'), join(folder, 'app.mts')],
    ];
    try {
      execFileSync(process.execPath, args, { encoding: 'utf8', cwd: folder });
    } catch (error) {
      throw new Error((error as { stdout: string }).stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  30_000,
);

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pollUntil } from '../helpers/time/pollUntil';
import { REPOSITORY, externalEnv } from '../helpers/server/serverProcess';

/** The parts of a release, from docs/deployment.md. */
const PARTS = ['dist', 'migrations', 'package.json'];

let release: string;

/** Returns the packages that `npm prune --omit=dev` keeps, from the lockfile. */
function productionPackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(REPOSITORY, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  return Object.entries(packages).flatMap(([path, { dev, devOptional }]) => {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? [];
    const kept = name !== undefined && dev !== true && devOptional !== true;
    return kept && existsSync(join(REPOSITORY, path)) ? [name] : [];
  });
}

beforeAll(() => {
  release = mkdtempSync(join(tmpdir(), 'gatehouse-release-'));
  for (const part of PARTS)
    cpSync(join(REPOSITORY, part), join(release, part), { recursive: true });
  for (const name of productionPackages()) {
    const link = join(release, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules', name), link);
  }
});

afterAll(() => rmSync(release, { recursive: true, force: true }));

/**
 * Runs a script of package.json in the release. Links are not resolved, so that no package finds
 * one that was pruned.
 */
function npm(words: string[], env: NodeJS.ProcessEnv) {
  const own = { PATH: process.env['PATH'], HOME: release, NODE_OPTIONS: '--preserve-symlinks' };
  const child = spawn('npm', words, {
    cwd: release,
    env: { ...own, npm_config_update_notifier: 'false', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  let complained = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    stdout: () => said,
    stderr: () => complained,
    ended,
    // Stops the whole group: npm, its shell and the server.
    stop: () => process.kill(-(child.pid ?? 0), 'SIGTERM'),
  };
}

async function run(words: string[], env: NodeJS.ProcessEnv = externalEnv()) {
  const { ended, stdout, stderr } = npm(['run', '--silent', ...words], env);
  return { code: await ended, stdout: stdout(), stderr: stderr() };
}

/** Writes the settings to a file, with its PEM keys on one line. */
function writeEnvironmentFile(settings: NodeJS.ProcessEnv): void {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name}="${(value ?? '').trim().replaceAll('\n', '\\n')}"\n`,
  );
  writeFileSync(join(release, '.env'), `# ours\n\n${lines.join('')}`);
}

describe('in the folder that is deployed', () => {
  afterEach(() => rmSync(join(release, '.env'), { recursive: true, force: true }));

  it('npm start serves, from the settings in .env, and ends at SIGTERM', async () => {
    writeEnvironmentFile({ ...externalEnv(), PORT: '0', SCHEMA_KNOWN_ROLE: 'backup' });
    const server = npm(['start'], {});
    const listening = () => {
      const url = /Gatehouse listens on (\S+)/.exec(server.stdout())?.[1] ?? '';
      return Promise.resolve(url);
    };
    const ended = server.ended.then(() => {
      throw new Error(`the server ended: ${server.stdout()}${server.stderr()}`);
    });
    ended.catch(() => undefined);
    const url = await Promise.race([
      pollUntil('it listens', listening, (found) => found !== ''),
      ended,
    ]);
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    expect(server.stdout()).toContain(
      'SCHEMA_KNOWN_ROLE is an unknown setting; did you mean SCHEMA_KNOWN_ROLES?',
    );
    server.stop();
    await server.ended;
  });

  it('npm run admin finds database and keys in .env, and the environment goes before it', async () => {
    writeEnvironmentFile(externalEnv());
    const { code, stdout, stderr } = await run(['admin', '--', 'tenant', 'list'], {});
    expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toHaveProperty('tenants');
    const other = { DATABASE_URL: 'postgres://127.0.0.1:1/elsewhere' };
    expect((await run(['admin', '--', 'db', 'check'], other)).stderr).toContain('127.0.0.1:1');
  });

  it('npm run verify-log and verify-bundle run', async () => {
    const log = await run(['verify-log']);
    expect(log.stderr).toBe('');
    expect(log.stdout).toMatch(/The log is sound\.\n$/);
    const bundle = await run(['verify-bundle', '--', '--help']);
    expect({ code: bundle.code, stderr: bundle.stderr }).toStrictEqual({ code: 0, stderr: '' });
    expect(bundle.stdout).toContain('Usage:');
  });

  it('a .env that cannot be used is one sentence, without its values', async () => {
    writeFileSync(join(release, '.env'), 'PORT=0\nMETRICS_TOKEN unspeakable-value\n');
    for (const words of [['start'], ['admin', '--', 'db', 'check'], ['verify-log']]) {
      const { code, stdout, stderr } = await run(words, {});
      expect(code).not.toBe(0);
      expect(stdout).toBe('');
      expect(stderr).toMatch(
        /^\S+\.env cannot be used: line 2 is neither NAME=value nor a # comment\.\n$/,
      );
    }
    rmSync(join(release, '.env'));
    mkdirSync(join(release, '.env'));
    expect((await run(['admin', '--', 'db', 'check'], {})).stderr).toMatch(
      /^\S+\.env cannot be read: EISDIR\.\n$/,
    );
  });
});

import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { optionsOf, usageOf } from '@/server/cli/command';
import { describeCommand } from '@/server/cli/commandHelp';
import { readCommandLine } from '@/server/cli/commandLine';
import { COMMAND_OPTIONS } from '@/server/cli/commandOptions';
import { COMMANDS } from '@/server/cli/commands';
import { loadConfig } from '@/server/config';
import { operateAsProcess } from '../helpers/server/commandProcess';
import { operate } from '../helpers/server/operatorCommand';
import { REPOSITORY } from '../helpers/server/serverProcess';

const names = Object.keys(COMMANDS);
/** Runs without settings, because help and a wrong command line need no database. */
const admin = (...words: string[]) => operate({}, words);

async function shown(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await admin(...words);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return stdout;
}

async function complaint(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await admin(...words);
  expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd()).not.toContain('\n');
  return stderr.trimEnd();
}

/** Does the same without a process. */
function complaintAt(...words: string[]): string {
  try {
    readCommandLine(COMMANDS, words);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('help', () => {
  it.each([['--help'], ['-h'], ['help']])(
    '%s lists every command on stdout, exit 0',
    async (word) => {
      const text = await shown(word);
      for (const name of names) expect(text).toMatch(new RegExp(`^  ${name} +[A-Z].*\\.$`, 'm'));
      expect(text).toMatch(/exits\s+with 1/);
    },
  );

  it('without words is an error: the list goes to stderr', async () => {
    const { code, stdout, stderr } = await operateAsProcess({}, []);
    expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
    for (const name of names) expect(stderr).toContain(`  ${name}`);
  });

  it.each([
    ['help', 'staff', 'create'],
    ['staff', 'create', '--help'],
    ['--help', 'staff', 'create'],
    ['staff', 'create', '--tenant', 'x', '-h'],
  ])('%s %s %s says how to use that command, and does nothing', async (...words) => {
    expect(await shown(...words)).toBe(
      `${describeCommand('staff create', COMMANDS['staff create'] as never)}\n`,
    );
  });

  it('of a group describes each of its commands', async () => {
    const text = await shown('help', 'keys');
    for (const name of ['keys adopt', 'keys status', 'keys generate']) {
      expect(text).toContain(`Usage: npm run --silent admin -- ${name}`);
    }
  });

  it('gives every command a usage line, a sentence for each option, and an example that it takes', () => {
    for (const [name, command] of Object.entries(COMMANDS)) {
      const text = describeCommand(name, command);
      expect(text.split('\n')[0]).toBe(
        `Usage: npm run --silent admin -- ${name} ${usageOf(command)}`.trimEnd(),
      );
      for (const option of optionsOf(command)) {
        expect(Object.keys(COMMAND_OPTIONS)).toContain(option);
        expect(text).toMatch(new RegExp(`^  --${option}( [A-Z0-9,]+)?  +[A-Z].*[.]$`, 'm'));
      }
      const typed = `${name} ${command.example}`.match(/'[^']*'|\S+/g) ?? [];
      const words = typed.map((word) => word.replaceAll("'", ''));
      expect(readCommandLine(COMMANDS, words)).toMatchObject({ kind: 'run', command });
    }
    const used = new Set(Object.values(COMMANDS).flatMap(optionsOf));
    expect(Object.keys(COMMAND_OPTIONS).sort()).toEqual([...used].sort());
  });

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
      version: string;
    };
    expect(await shown('--version')).toBe(`${version}\n`);
  });
});

describe('a wrong command line is one plain sentence, exit 1', () => {
  it('names what is near', async () => {
    expect(await complaint('staff', 'lst')).toMatch(
      /^There is no command `staff lst`\. Did you mean `staff list`\?/,
    );
    expect(await complaint('staff', 'list', '--tennant', 'x')).toMatch(
      /^`staff list` has no option --tennant\. Did you mean `--tenant`\?/,
    );
  });

  it.each([
    [['staff'], /^There is no command `staff`\. Did you mean `staff create` or `staff list`/],
    [['staff', 'zzz'], /^There is no command `staff zzz`\. Did you mean `staff create`/],
    [['constructor'], /^There is no command `constructor`\. See /],
    [['help', 'nothing'], /^There is no command `nothing`\. See /],
    [['db', 'migrate', 'now'], /^`db migrate` takes options only/],
    [['db', 'check', '--role', 'x'], /^`db check` has no option --role\. See /],
    [['staff', 'list', '--tenant'], /^--tenant needs a value: --tenant S\.$/],
    [['staff', 'list', '--tenant', '--locked'], /^--tenant needs a value/],
    [['staff', 'list', '--locked=yes'], /^--locked takes no value\.$/],
    [['staff', 'list', '--tenant', 'a', '--tenant', 'b'], /^--tenant was given more than once\.$/],
    [['keys', 'generate', '--version'], /^`keys generate` has no option --version/],
    [['--frobnicate'], /^There is no command/],
  ])('%j', (words, sentence) => {
    expect(complaintAt(...words)).toMatch(sentence);
    expect(complaintAt(...words)).not.toContain('\n');
  });

  it('never repeats what could be a password in the wrong place', () => {
    const secret = 'Hunter2-Unspeakable';
    for (const words of [
      ['staff', 'create', '--password', secret],
      ['staff', 'create', `--password=${secret}`],
      ['staff', 'create', `--${secret}`],
      ['staff', 'create', secret],
      ['staff', 'create', '--totp', secret],
      ['staff', 'create', `--totp=${secret}`],
      [secret],
      ['staff', secret],
      ['help', secret],
      ['totp', 'code', secret],
    ]) {
      expect(complaintAt(...words)).not.toBe('');
      expect(complaintAt(...words).toLowerCase()).not.toContain(secret.toLowerCase());
    }
  });
});

describe('a command whose output', () => {
  /** Each with the exit code of a run that could not write its output. */
  const COMMAND_FILES: [string, string, number][] = [
    ['admin', 'server/cli/admin.js', 1],
    ['verify-log', 'server/cli/verifyLog.js', 2],
    ['verify-bundle', 'verifier/verify.mjs', 2],
  ];
  async function askForHelp(script: string, stdout: 'pipe' | number) {
    const child = spawn(process.execPath, [join(REPOSITORY, 'dist', script), '--help'], {
      env: {},
      stdio: ['ignore', stdout, 'pipe'],
    });
    child.stdout?.destroy();
    const [stderr, [code]] = await Promise.all([
      child.stderr ? text(child.stderr) : '',
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stderr };
  }

  it.each(COMMAND_FILES)('is read by nobody any more ends quietly: %s', async (_name, script) => {
    expect(await askForHelp(script, 'pipe')).toEqual({ code: 0, stderr: '' });
  });

  it.each(COMMAND_FILES)('is lost on a full disk says so: %s', async (_name, script, failure) => {
    const full = openSync('/dev/full', 'w');
    const stderr = 'The output could not be written: the disk is full.\n';
    expect(await askForHelp(script, full)).toEqual({ code: failure, stderr });
    closeSync(full);
  });
});

describe('commands that need no database', () => {
  const run = (name: string, options: Record<string, string | boolean>) =>
    (COMMANDS[name]?.run ?? (() => Promise.reject(new Error(name))))(options, process);

  it('keys generate --env prints a .env that is read as the keys', async () => {
    const printed = await shown('keys', 'generate', '--env');
    expect(printed.trimEnd().split('\n')).toHaveLength(4);
    const keys = parseEnv(printed);
    const { secrets } = loadConfig({ ...keys, DATABASE_URL: 'postgres://u:p@db.example/x' });
    expect(createPrivateKey(secrets?.jwtSigningKey ?? '').asymmetricKeyType).toBe('ec');
    expect(createPrivateKey(secrets?.evidenceSigningKey ?? '').asymmetricKeyType).toBe('ed25519');
    expect(secrets?.encryptionKey).toBe(keys['ENCRYPTION_KEY']);
  });

  it.each(['abc', 'not base32!', '0189'.repeat(8)])(
    'totp code says in one sentence that %s is no secret, and does not repeat it',
    async (secret) => {
      const said: unknown = await run('totp code', { secret }).catch((error: unknown) => error);
      expect(String(said)).toMatch(
        /^CommandError: --secret must be a TOTP secret in base32: .*\.$/,
      );
      expect(String(said)).not.toContain(secret);
    },
  );
});

import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMANDS } from '@/server/cli/commands';
import { pollUntil } from '../helpers/time/pollUntil';
import { REPOSITORY, killServers, startServer } from '../helpers/server/serverProcess';
import { openTerminal } from '../helpers/server/terminal';
import type { Terminal } from '../helpers/server/terminal';

const README = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');
const blocks = [...README.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = '']) => text);

/** The blocks that a test has used. */
const used = new Set<string>();

/** Returns the one block with a text. A missing or doubled block fails the test. */
function blockWith(text: string): string {
  const [found = '', ...more] = blocks.filter((block) => block.includes(text));
  expect([found === '' ? text : '', ...more]).toEqual(['']);
  used.add(found);
  return found;
}

/** `jest.config.mjs` reports a missing shell. */
const SHELLS: [string, string][] = [
  ['bash', 'bash --norc --noprofile -i'],
  ...(process.env['ZSH_SHELL'] ? [['zsh', 'zsh -f -i'] as [string, string]] : []),
];

const statuses = (output: string) =>
  [...output.matchAll(/^HTTP (\d{3})$/gm)].map(([, code]) => code);

afterAll(killServers);

it('the list of commands in the README is that of the program', () => {
  const table = /^\| group +\| commands[^]*?\n\n/m.exec(README)?.[0] ?? '';
  const rows = [...table.matchAll(/^\| `([a-z-]+)` +\| (.+?) *\|$/gm)];
  const named = rows.flatMap(([, group = '', list = '']) =>
    [...list.matchAll(/`([a-z-]+)`/g)].map(([, command = '']) => `${group} ${command}`),
  );
  expect(named.sort()).toEqual(Object.keys(COMMANDS).sort());
});

it('no block has what a shell takes for something else when it is pasted', () => {
  expect(blocks.length).toBeGreaterThan(10);
  for (const block of blocks) {
    // At its prompt, zsh treats a # as a word. In bash, ! means history. Both need quotation marks
    // around = and [ ] ? *.
    expect(block).not.toMatch(/(^|\s)#/m);
    expect(block).not.toContain('!');
    expect(block).not.toMatch(/\b(unzip|jq|python3?|openssl|uuidgen|base64)\b/);
  }
});

describe.each(SHELLS)('the README, pasted into %s', (_name, shell) => {
  let folder: string;
  let terminal: Terminal;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-readme-'));
    chmodSync(folder, 0o711);
    // The same as `npm start`, in a folder of its own and on a free port. Only the hashes are
    // cheaper.
    const settings = {
      NODE_ENV: 'test',
      GATEHOUSE_DATA_DIR: join(folder, 'data'),
      LOG_LEVEL: 'silent',
      ARGON2_MEMORY_KIB: '1024',
      ARGON2_TIME_COST: '1',
      ANOMALY_TIMEOUT_MS: '5000',
      DATABASE_WAIT_MS: '30000',
      DATABASE_STATEMENT_TIMEOUT_MS: '30000',
    };
    expect(blockWith('npm start')).toBe('npm ci\nnpm start\n');
    const server = startServer(settings);
    await server.url();
    const printed = await pollUntil(
      'the sign-in is shown',
      () =>
        Promise.resolve(
          /^ +URL=.*\n +PASSWORD=.*\n +TOTP_SECRET=.*\n/m.exec(server.stdout())?.[0] ?? '',
        ),
      (lines) => lines !== '',
    );
    const path = process.env['PATH'];
    const home = { HOME: folder, TERM: 'dumb', PS1: '', npm_config_update_notifier: 'false' };
    // The scripts run there as in a checkout, with the build already done.
    copyFileSync(join(REPOSITORY, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(REPOSITORY, 'dist'), join(folder, 'dist'));
    terminal = openTerminal(shell, folder, { PATH: path, ...home, ...settings });
    expect(blockWith("PASSWORD='…'").replace(/='.*'/g, '')).toBe('URL\nPASSWORD\nTOTP_SECRET\n');
    expect(await terminal.paste(printed)).toMatchObject({ code: 0 });
    expect(await terminal.paste(blockWith('post() {'))).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    await terminal.close();
    await killServers();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  it('signs in, refreshes, exports with a proof, verifies, and throws the thief out', async () => {
    const paste = async (line: string) => {
      const { output, code } = await terminal.paste(blockWith(line));
      return { output, code, statuses: statuses(output) };
    };
    const login = await paste('LOGIN=$(');
    expect(login).toMatchObject({ code: 0, statuses: ['200', '200', '200'] });
    expect(login.output).toContain('"email":"owner@acme.example"');
    expect(await paste('NEXT=$(')).toMatchObject({ code: 0, statuses: ['200', '200'] });
    const asked = await paste('ASKED=$(');
    expect(asked).toMatchObject({ code: 0, statuses: ['428'] });
    expect(asked.output).toContain('"purpose":"data_export"');
    const given = await paste('CODE=$(');
    expect(given).toMatchObject({ code: 0, statuses: ['200', '200'] });
    expect(given.output).toContain('"verified":true');
    const verified = await paste('VKEY=$(');
    expect(verified).toMatchObject({ code: 0, statuses: ['200'] });
    const thief = await paste('"}\'\nget /api/auth/me');
    expect(thief).toMatchObject({ code: 0, statuses: ['401', '401'] });
    expect(thief.output).toContain('"reason":"reuse_detected"');
  });

  it('operates: each command succeeds', async () => {
    const lines = blockWith('tenant create').replaceAll('\\\n', ' ').trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      expect(await terminal.paste(line)).toMatchObject({ code: 0 });
    }
    const log = await terminal.paste(blockWith('verify-log'));
    expect(log.code).toBe(0);
    expect(log.output).toContain('The log is sound.');
  });

  it('leaves no block out', () => {
    expect(blocks.filter((block) => !used.has(block))).toEqual(['npm ci && npm test\n']);
  });
});

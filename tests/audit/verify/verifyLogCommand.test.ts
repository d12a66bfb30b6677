import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAsProcess } from '@/tests/helpers/server/commandProcess';
import { killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { createTestDatabase } from '@/tests/helpers/database/testDatabase';
import { originOf } from '@/tlog/checkpoint';
import { nameKey, toVkey } from '@/tlog/signedNote';
import { OTHER, Scene, TENANT, file, newKeys, pemOf, runCommand } from './scene';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.withLog();
});

afterAll(async () => {
  await killServers();
  await scene.close();
});

const asProcess = runAsProcess.bind(undefined, 'verifyLog');

/** Expects exit code 2, nothing on stdout, and no stack on stderr. */
async function complaintOf(words: string[], env = scene.env, run = runCommand): Promise<string> {
  const { code, stdout, stderr } = await run(env, words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).not.toMatch(/\bat .+:\d+|SELECT|BEGIN/);
  return stderr;
}

function withUser(url: string, user: string): string {
  const other = new URL(url);
  other.username = user;
  other.password = 'secret';
  return other.toString();
}

describe('what it prints', () => {
  it('is a line for each check and the verdict', async () => {
    const earlier = file(await scene.checkpoints());
    const { code, stdout, stderr } = await asProcess(scene.env, ['--checkpoint', earlier]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `ok    guards       7 tables, 7 triggers, 6 keys are in place
ok    events       ${stdout.match(/\d+(?= events)/)?.[0]} events in 3 logs as they were sealed, none missing
ok    times        no event claims a time that its log had already passed, or a time in the future
ok    trees        3 trees and ${stdout.match(/\d+(?= stored hashes)/)?.[0]} stored hashes match the events
ok    checkpoints  7 checkpoints signed by trusted keys, and each matches the tree
ok    unsealed     no event was inserted behind the sealer, and none waits for too long
ok    earlier      7 earlier checkpoints of the same history

The log is sound.
`,
    );
  });

  it('says that without an earlier checkpoint the holder of the key is trusted', async () => {
    const { stdout } = await scene.verify();
    expect(stdout).toMatch(
      /^-- +earlier +no earlier checkpoint was given: anyone with the signing key/m,
    );
  });

  it('--json is one line with the same', async () => {
    const { code, stdout } = await scene.verify('--json', '--tenant', TENANT);
    expect(code).toBe(0);
    expect(stdout.trimEnd()).not.toContain('\n');
    expect(JSON.parse(stdout)).toEqual({
      sound: true,
      checks: ['guards', 'events', 'times', 'trees', 'checkpoints', 'unsealed', 'earlier'].map(
        (check) => ({ check, ok: check === 'earlier' ? null : true }),
      ),
      logs: 1,
      events: 40,
      checkpoints: 3,
      earlierCheckpoints: 0,
      findingCount: 0,
      countByKind: {},
      findings: [],
      notices: [],
    });
  });

  it('--limit shows of each kind what there is room for, and counts all', async () => {
    const own = await Scene.withLog();
    const { event_id: id } = await own.leaf(2, OTHER);
    await own.tamper(
      `UPDATE audit_logs SET actor = 'x' WHERE tenant_id = '${TENANT}'`,
      `DELETE FROM audit_logs WHERE id = '${id}'`,
    );
    const { findings, kinds } = await own.findings('--limit', '3');
    expect(kinds).toEqual({ event_changed: 40, event_missing: 1 });
    expect(findings.map(({ kind, leaf }) => [kind, leaf])).toEqual([
      ['event_changed', 0],
      ['event_changed', 1],
      ['event_missing', 2],
    ]);
    await own.close();
  });

  it('--help is the usage', async () => {
    const { code, stdout } = await runCommand({}, ['--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: .*--checkpoint FILE.*Exit 2/s);
  });
});

describe('a vkey, which is of one log,', () => {
  const ownKey = createPublicKey(process.env['EVIDENCE_SIGNING_KEY'] ?? '');
  const vkeyOf = (log: string, key = ownKey) => toVkey(nameKey(originOf(log), key));
  const look = (...words: string[]) =>
    runCommand({ ...scene.env, EVIDENCE_SIGNING_KEY: '' }, words);

  it('verifies that log, alone', async () => {
    const { code, stdout } = await look('--key', vkeyOf(TENANT), '--tenant', TENANT);
    expect([code, stdout.trimEnd().split('\n').at(-1)]).toEqual([0, 'The log is sound.']);
  });

  it('finds nothing wrong with other logs and calls them verified as little: exit 2', async () => {
    const earlier = file(await scene.checkpoints());
    const { code, stdout } = await look('--key', vkeyOf(TENANT), '--checkpoint', earlier);
    expect(stdout).toMatch(/^-- {4}checkpoints +3 checkpoints signed by trusted keys; no key was/m);
    expect(stdout).toMatch(/^ok {4}earlier +3 earlier checkpoints of the same history$/m);
    expect(stdout).toMatch(/^note: No key was given for 2 of 3 logs, the first /m);
    expect(stdout).toMatch(
      /^note: 4 earlier checkpoints were not compared: no key was given for their logs/m,
    );
    expect(stdout).toMatch(/COULD NOT BE VERIFIED: no key was given for 2 logs\. [^\n]+\n$/);
    expect(code).toBe(2);
    const json = JSON.parse((await look('--key', vkeyOf(TENANT), '--json')).stdout) as object;
    expect(json).toMatchObject({ sound: false, findingCount: 0 });
  });

  it('of that log which has not signed it is a finding', async () => {
    const words = ['--key', vkeyOf(TENANT, newKeys().publicKey), '--tenant', TENANT];
    const { code, stdout } = await look(...words);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^checkpoint_signature /m)]);
  });
});

describe('--tenant looks at one log', () => {
  it('by the slug of the tenant, by the id of the log, and at that of no tenant', async () => {
    await scene.query(`INSERT INTO tenants (id, slug, name) VALUES ($1, 'acme', 'A')`, [TENANT]);
    const other = await scene.leaf(3, OTHER);
    await scene.tamper(`UPDATE audit_logs SET actor = 'x' WHERE id = '${other.event_id}'`);
    expect((await scene.findings('--tenant', 'acme')).code).toBe(0);
    expect((await scene.findings('--tenant', OTHER)).kinds).toEqual({ event_changed: 1 });
    const none = await scene.noTenantLog();
    expect((await scene.findings('--tenant', none.toUpperCase())).code).toBe(0);
    const { event_id: id } = await scene.leaf(1, none);
    await scene.tamper(`DELETE FROM audit_leaves WHERE event_id = '${id}'`);
    const { kinds } = await scene.findings('--tenant', none);
    expect(kinds).toEqual({ leaf_gap: 1, slipped_in: 1 });
    expect((await scene.findings('--tenant', 'acme')).code).toBe(0);
  });

  it('and compares no earlier checkpoints of others, which it says', async () => {
    const earlier = file(await scene.checkpoints());
    const { code, notices } = await scene.findings('--tenant', 'acme', '--checkpoint', earlier);
    expect([code, notices]).toEqual([
      0,
      ['4 earlier checkpoints were not compared: they belong to other logs.'],
    ]);
  });
});

describe('a role that may only read', () => {
  it('is enough; one that may not even that is exit 2', async () => {
    const role = `auditor_${process.pid}_${Date.now()}`;
    await scene.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const env = { ...scene.env, DATABASE_URL: withUser(scene.url, role) };
    expect(await complaintOf([], env)).toMatch(/^The log could not be read: permission denied for/);
    await scene.query(
      `GRANT SELECT ON audit_logs, audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer, evidence_keys, tenants TO ${role}`,
    );
    const { code, stderr } = await runCommand(env, ['--tenant', 'acme']);
    await scene.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    expect([code, stderr]).toEqual([0, '']);
  });
});

describe('earlier checkpoints', () => {
  it('are believed only when signed by a believed key', async () => {
    const note = await scene.newestCheckpoint();
    const forged = note.replace('\n40\n', '\n39\n');
    const { code, findings } = await scene.findings(
      '--tenant',
      'acme',
      '--checkpoint',
      file(forged),
    );
    expect([code, findings.map(({ kind }) => kind)]).toEqual([1, ['earlier_signature']]);
    expect(findings[0]?.message).toMatch(/size 39\): its signature is wrong/);
  });

  it('may be in several files, one or many in each, with or without empty lines, with signatures of others', async () => {
    const notes = (await scene.checkpoints(TENANT)).split(/(?<=\n)(?=gatehouse)/);
    expect(notes).toHaveLength(3);
    const cosigned = `${notes[2]}— witness.example/w ${Buffer.alloc(76, 1).toString('base64')}\n`;
    const files = [
      file(notes.join('\n\n')),
      file(notes.join('').replaceAll('\n', '\r\n')),
      file(cosigned.trimEnd()),
    ];
    const words = files.flatMap((name) => ['--checkpoint', name]);
    const { code, stdout } = await scene.verify('--tenant', 'acme', ...words);
    expect(stdout).toMatch(/^ok {4}earlier +7 earlier checkpoints of the same history$/m);
    expect(code).toBe(0);
  });

  it('may have been cut off by a power failure, however long, which is told', async () => {
    const notes = (await scene.checkpoints(TENANT)).split(/(?<=\n)(?=gatehouse)/);
    const [first = '', second = '', third = ''] = notes;
    const torn = [first, second.slice(0, 60), '\0'.repeat(200_000), '\n', third].join('');
    const words = ['--tenant', 'acme', '--checkpoint', file(torn)];
    const { code, stdout } = await scene.verify(...words);
    expect(stdout).toMatch(/^ok {4}earlier +2 earlier checkpoints of the same history$/m);
    expect(stdout).toMatch(/^note: 1 checkpoint in the given files: cut off by a crash/m);
    expect(code).toBe(0);
  });

  it('are not read from a ZIP file: exit 2, and what to extract', async () => {
    const name = file('PK\u0003\u0004 and so on');
    expect(await complaintOf(['--checkpoint', name])).toBe(
      `--checkpoint: ${name} is a ZIP file, which verify-log does not read: extract checkpoint.txt from it, and give that file.\n`,
    );
  });

  it.each([
    ['is empty', '', /contains no checkpoint\.$/m],
    ['holds something else', 'hello\n', /: line 1 is the beginning of .+ that is cut off\.$/m],
    ['is cut off', 'CUT', /contains no checkpoint\.$/m],
    ['has no signature', 'gatehouse/x\n1\nAA==\n\n\n', /: line 5 should be a signature\.$/m],
    ['is malformed', 'MALFORMED', /: line 6 is not the beginning of a checkpoint\.$/m],
  ])('in a file that %s are no checkpoints: exit 2', async (_what, content, sentence) => {
    const note = await scene.newestCheckpoint();
    const [text = ''] = note.split('\n\n');
    const contents: Record<string, string> = {
      CUT: `${text}\n`,
      MALFORMED: `${note}${note.replace('\n40\n', '\n040\n')}`,
    };
    const name = file(contents[content] ?? content);
    const said = await complaintOf(['--checkpoint', name]);
    expect(said).toMatch(sentence);
    expect(said).toContain(name);
  });
});

describe('what cannot be verified is exit 2 and one sentence:', () => {
  it.each([
    ['an option that nobody knows', ['--nope'], /^There is no option --nope\.\nUsage: /],
    [
      'a misspelt option',
      ['--chekpoint', 'x'],
      /^There is no option --chekpoint\. Did you mean --checkpoint\?\n/,
    ],
    ['an option without its value', ['--key'], /^--key needs a value\.\n/],
    ['a value too many', ['--json=x'], /^--json takes no value\.\n/],
    ['an option in place of a value', ['--key', '--json'], /^--key needs a value\.\n/],
    ['a short option', ['-q'], /^There is no option -q\.\n/],
    ['a word too many', ['acme'], /^The command takes options only\.\n/],
    ['a limit that is none', ['--limit', '0'], /^--limit must be a number from 1/],
    ['a tenant that does not exist', ['--tenant', 'nobody'], /^There is no tenant 'nobody'\.\n$/],
    [
      'a file that is not there',
      ['--checkpoint', '/nowhere'],
      /^--checkpoint: \/nowhere cannot be read: there is no such file\.\n$/,
    ],
    [
      'a folder',
      ['--checkpoint', '/tmp'],
      /^--checkpoint: \/tmp cannot be read: it is a folder\.\n$/,
    ],
    [
      'a key that is none',
      ['--key', 'nonsense'],
      /^--key: nonsense is neither a file with Ed25519 keys/,
    ],
  ])('%s', async (_what, words, sentence) => {
    expect(await complaintOf(words)).toMatch(sentence);
  });

  it('a key of another kind', async () => {
    const name = file(process.env['JWT_SIGNING_KEY'] ?? '');
    expect(await complaintOf(['--key', name])).toMatch(/is neither a file with Ed25519 keys/);
  });

  it('a database out of reach, without its password', async () => {
    const env = { ...scene.env, DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/x' };
    expect(await complaintOf([], env, asProcess)).toMatch(
      /^The database server 127\.0\.0\.1:1 cannot be reached: nothing listens on that port\./,
    );
  });

  it('a database that is not ours', async () => {
    const { url, drop } = await createTestDatabase('template1');
    expect(await complaintOf([], { ...scene.env, DATABASE_URL: url })).toMatch(
      /^This database has no audit log/,
    );
    await drop();
  });

  it('no database at all', async () => {
    const env = { GATEHOUSE_DATA_DIR: '/tmp/nowhere-at-all' };
    expect(await complaintOf(['--key', file(pemOf(newKeys()))], env)).toMatch(
      /^DATABASE_URL is missing, and no embedded database was ever started in/,
    );
    expect(await complaintOf([], env)).toMatch(/^There is no key to trust/);
  });
});

describe('in embedded mode', () => {
  it('verifies the running server’s log, and that of one which is stopped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-verify-'));
    const env = { NODE_ENV: 'test', GATEHOUSE_DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'silent' };
    try {
      const server = startServer(env);
      await server.url();
      expect(await asProcess(env, [])).toMatchObject({ code: 0, stderr: '' });
      server.signal('SIGTERM');
      await server.exited;
      const stopped = await runCommand(env, ['--json']);
      expect(stopped.stderr).toBe('');
      expect(JSON.parse(stopped.stdout)).toMatchObject({ sound: true });
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    }
  });
});

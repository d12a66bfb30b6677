/** @jest-environment ./tests/helpers/testRun/workerEnvironment.ts */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ask, expectAnswer, isRunning, serverPid, until, useDataFolder } from './embeddedHarness';
import { listProcesses } from '@/tests/helpers/server/processTable';

const { place, start, runner, startedRunner, adopt } = useDataFolder();

describe('the embedded database after a crash', () => {
  it('leaves no server when the node process is killed, and the next start works', async () => {
    const killed = await startedRunner();
    await ask(killed.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const pid = serverPid(place.dataDir);
    process.kill(killed.pid, 'SIGKILL');
    await until('the orphaned server is gone', () => !isRunning(pid));
    expect(existsSync(path.join(place.dataDir, 'cluster/postmaster.pid'))).toBe(false);
    expect(await ask((await start()).url, 'SELECT answer FROM kept')).toStrictEqual([
      { answer: 42 },
    ]);
  });

  it('waits for a killed process’s server that still runs, and starts anew', async () => {
    const killed = await startedRunner();
    const old = serverPid(place.dataDir);
    // Without its watchdog, only the next start can stop it.
    const [watchdog, ...more] = listProcesses().filter(
      ({ command }) => command.includes('gatehouse-watchdog') && command.endsWith(` ${old}`),
    );
    expect(more).toEqual([]);
    if (!watchdog) throw new Error('the server has no watchdog');
    process.kill(watchdog.pid, 'SIGKILL');
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited;
    expect(isRunning(old)).toBe(true);
    await start();
    expect(isRunning(old)).toBe(false);
  });

  it('starts over a stale postmaster.pid whose pid another process of that account has now', async () => {
    const pidFile = path.join(place.dataDir, 'cluster/postmaster.pid');
    const crashed = await start();
    process.kill(serverPid(place.dataDir), 'SIGKILL');
    await crashed.stop();
    const { uid, gid } = statSync(path.dirname(pidFile));
    const innocent = spawn('sleep', ['60'], { stdio: 'ignore', uid, gid });
    adopt(innocent);
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    writeFileSync(pidFile, [innocent.pid, ...rest].join('\n'));
    await expectAnswer(await start());
    expect(isRunning(innocent.pid as number)).toBe(true);
  });

  it('starts over a postmaster.pid that a full disk left empty', async () => {
    await (await start()).stop();
    const pidFile = path.join(place.dataDir, 'cluster/postmaster.pid');
    writeFileSync(pidFile, '', { mode: 0o600 });
    await expectAnswer(await start());
  });

  it('mends an initdb that was killed half-way', async () => {
    const killed = await runner();
    killed.say('start');
    const drafts = () =>
      (existsSync(place.dataDir) ? readdirSync(place.dataDir) : []).filter((name) =>
        name.startsWith('initdb'),
      );
    await until('initdb writes', () =>
      drafts().some((name) => existsSync(path.join(place.dataDir, name, 'cluster/global'))),
    );
    process.kill(killed.pid, 'SIGKILL');
    await killed.exited;
    expect(existsSync(path.join(place.dataDir, 'cluster'))).toBe(false);
    expect(drafts()).toHaveLength(1);
    await expectAnswer(await start());
    expect(drafts()).toStrictEqual([]);
  });
});

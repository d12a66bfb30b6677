/** @jest-environment ./tests/helpers/testRun/workerEnvironment.ts */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { acquireDataDirectoryLock } from '@/server/embedded/dataDirectoryLock';
import { identifyProcess, isAlive } from '@/server/embedded/processIdentity';
import type * as Identity from '@/server/embedded/processIdentity';

jest.mock('@/server/embedded/processIdentity', () => {
  const real = jest.requireActual<typeof Identity>('@/server/embedded/processIdentity');
  return { ...real, isAlive: jest.fn(real.isAlive) };
});

const dead = JSON.stringify({ pid: process.pid, start: 'before this one' });
let dataDir: string;
let lock: string;

beforeEach(() => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-lock-'));
  lock = path.join(dataDir, 'lock');
});
afterEach(() => rmSync(dataDir, { recursive: true }));

describe('the lock of a data folder', () => {
  it('is taken over from a dead process whose pid somebody has again, and leaves nothing behind', () => {
    writeFileSync(lock, dead);
    const held = acquireDataDirectoryLock(dataDir);
    expect(() => acquireDataDirectoryLock(dataDir)).toThrow(`(pid ${process.pid})`);
    held.release();
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  it('is taken over also when a starter died in the middle of taking it over', () => {
    writeFileSync(lock, dead);
    writeFileSync(`${lock}.takeover`, dead);
    acquireDataDirectoryLock(dataDir).release();
    expect(readdirSync(dataDir)).toStrictEqual([]);
  });

  it('is not torn from a starter that took it over a moment earlier', () => {
    writeFileSync(lock, dead);
    const faster = identifyProcess(process.ppid);
    jest.mocked(isAlive).mockImplementationOnce(() => {
      writeFileSync(lock, JSON.stringify(faster));
      return false;
    });
    expect(() => acquireDataDirectoryLock(dataDir)).toThrow(`(pid ${process.ppid})`);
  });

  it('counts as free when a crash left it garbled', () => {
    writeFileSync(lock, '{"pid":');
    expect(acquireDataDirectoryLock(dataDir).owner.pid).toBe(process.pid);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';
import type { Child, Phase } from './child';
import { compare } from './compare';
import type { Comparison, Measured } from './compare';
import { EXPORT_RANGE } from './seed';

const ROOT = join(__dirname, '..');
const VERIFIER = join(ROOT, 'dist', 'verifier', 'verify.mjs');

/** Downloads one bundle into a file. @returns the time it took, in seconds */
async function downloadBundle(port: number, accessToken: string, file: string): Promise<number> {
  const began = performance.now();
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
  const path = '/api/compliance/export/bundle';
  const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers });
  sent.end(JSON.stringify({ ...EXPORT_RANGE, format: 'csv' }));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200)
    throw new Error(`the export was answered with ${response.statusCode}`);
  await pipeline(response, createWriteStream(file));
  return (performance.now() - began) / 1000;
}

/** Runs a command to its end. @throws Error if its exit code is not 0 */
async function runCommand(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const text = Buffer.concat(said).toString('utf8');
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`);
  return text;
}

interface Manifest {
  key: string;
  files: { name: string; rows: number | null }[];
}

async function readManifest(file: string): Promise<Manifest> {
  return JSON.parse(await runCommand('unzip', ['-p', file, 'manifest.json'])) as Manifest;
}

const rowsOf = ({ files }: Manifest, name: string) =>
  files.find((file) => file.name === name)?.rows ?? 0;

const phase = (done: number, seconds: number): Phase => ({
  done,
  seconds,
  p50: 0,
  p99: 0,
  cpuMs: 0,
});

interface Server {
  port: number;
  accessToken: string;
  withCpu: (own: Measured) => Measured;
}

/**
 * Compares the export of a bundle, with all its proofs and tables, with one copy of only the events
 * through COPY and gzip.
 */
export async function compareExport(
  { port, accessToken, withCpu }: Server,
  copy: Child,
  { file, rounds }: { file: string; rounds: number },
): Promise<Comparison> {
  const own: Measured = {
    async run() {
      const seconds = await downloadBundle(port, accessToken, file);
      const manifest = await readManifest(file);
      const rows = rowsOf(manifest, 'audit-log.csv') + rowsOf(manifest, 'security-events.csv');
      return phase(rows, seconds);
    },
  };
  return compare(
    {
      name: 'export',
      unit: 'events written to a CSV bundle with all proofs',
      yardstickName: 'rows through COPY … TO STDOUT | gzip -6',
      aim: 0.7,
    },
    { measured: withCpu(own), yardstick: copy },
    { rounds, ms: 0, warmUpMs: 0 },
  );
}

/** Compares the verifier, run as an auditor runs it, with reading and hashing the same bundle. */
export async function compareVerification(file: string, rounds: number): Promise<Comparison> {
  const manifest = await readManifest(file);
  const events = rowsOf(manifest, 'audit-log.csv');
  const timed = (command: string, args: readonly string[]): Measured => ({
    async run() {
      const began = performance.now();
      await runCommand(command, args);
      return phase(events, (performance.now() - began) / 1000);
    },
  });
  return compare(
    {
      name: 'verification',
      unit: 'events in a bundle that node verify.mjs verifies, with every hash and proof,',
      yardstickName: 'unzip -p | sha256sum of the same bundle',
      aim: 0.33,
    },
    {
      measured: timed(process.execPath, [VERIFIER, file, '--key', manifest.key]),
      yardstick: timed('sh', ['-c', 'unzip -p "$0" | sha256sum', file]),
    },
    { rounds, ms: 0, warmUpMs: 1 },
  );
}

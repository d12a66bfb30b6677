import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { isLoopback, parseUrl } from './mailSettings';

/** An append-only file of signed heads. */
export interface CheckpointFile {
  /** Names it among all nodes: the machine, and the path there. */
  readonly sink: string;
  readonly path: string;
}

/** A receiver of signed heads. */
export interface CheckpointWebhook {
  /** Names it among all nodes: a hash, since the address may hold a secret. */
  readonly sink: string;
  readonly url: string;
  readonly token: string | undefined;
}

/** Where signed heads of the audit log go besides the database. */
export interface CheckpointSettings {
  readonly file: CheckpointFile | undefined;
  readonly webhook: CheckpointWebhook | undefined;
}

/** The settings as they stand in the environment. */
interface CheckpointEnvironment {
  NODE_ENV: string;
  AUDIT_CHECKPOINT_FILE?: string | undefined;
  AUDIT_CHECKPOINT_WEBHOOK?: string | undefined;
  AUDIT_CHECKPOINT_WEBHOOK_TOKEN?: string | undefined;
}

/** RFC 6750, 2.1. */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/;

const isFolder = (path: string) =>
  path.endsWith('/') || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function namesFile(path: string): boolean {
  if (!isAbsolute(path) || path.includes('\0')) return false;
  try {
    return !isFolder(path);
  } catch {
    // What keeps it from being looked at now may be mended later: it is tried again and again.
    return true;
  }
}

function isReceiver(value: string, production: boolean): boolean {
  const url = parseUrl(value);
  if (!url || !/^https?:$/.test(url.protocol) || url.hash !== '') return false;
  if (url.username !== '' || url.password !== '') return false;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return url.protocol === 'https:' || !production || isLoopback(host);
}

/** @returns one plain sentence for each setting that is wrong; none repeats a value, which may be a secret */
export function objectionsToCheckpoints(env: CheckpointEnvironment): string[] {
  const problems: string[] = [];
  const {
    AUDIT_CHECKPOINT_FILE: file,
    AUDIT_CHECKPOINT_WEBHOOK: webhook,
    AUDIT_CHECKPOINT_WEBHOOK_TOKEN: token,
  } = env;
  if (file !== undefined && !namesFile(file)) {
    problems.push('AUDIT_CHECKPOINT_FILE must be the absolute path of a file, not of a folder.');
  }
  if (webhook !== undefined && !isReceiver(webhook, env.NODE_ENV === 'production')) {
    problems.push(
      'AUDIT_CHECKPOINT_WEBHOOK must be an https:// address, or http:// for this machine or outside production, without user, password or fragment; a token goes into AUDIT_CHECKPOINT_WEBHOOK_TOKEN.',
    );
  }
  if (token !== undefined && webhook === undefined) {
    problems.push('AUDIT_CHECKPOINT_WEBHOOK is missing: AUDIT_CHECKPOINT_WEBHOOK_TOKEN is for it.');
  }
  if (token !== undefined && !BEARER.test(token)) {
    problems.push(
      'AUDIT_CHECKPOINT_WEBHOOK_TOKEN may hold letters, digits and -._~+/, with = at the end.',
    );
  }
  return problems;
}

/** Reads settings to which {@link objectionsToCheckpoints} has none; what is not set is undefined. */
export function readCheckpointSettings(env: CheckpointEnvironment): CheckpointSettings {
  const { AUDIT_CHECKPOINT_FILE: path, AUDIT_CHECKPOINT_WEBHOOK: url } = env;
  const token = env.AUDIT_CHECKPOINT_WEBHOOK_TOKEN;
  return {
    file: path === undefined ? undefined : fileSink(path),
    webhook: url === undefined ? undefined : webhookSink(url, token),
  };
}

/** A file is a machine's own: nodes on several machines each keep one. */
export const fileSink = (path: string, machine = hostname()): CheckpointFile => ({
  sink: `file:${machine}:${path}`,
  path,
});

/** Receivers are told apart by their address alone: a new token does not begin from the start. */
export const webhookSink = (url: string, token: string | undefined): CheckpointWebhook => ({
  sink: `webhook:${createHash('sha256').update(url).digest('hex').slice(0, 32)}`,
  url,
  token,
});

import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { objectionsToWebhook, webhookSink } from './webhookSettings';
import type { Webhook } from './webhookSettings';

/** An append-only file of signed heads. */
export interface CheckpointFile {
  /** Names it among all nodes: the machine, and the path there. */
  readonly sink: string;
  readonly path: string;
}

/** Where signed heads of the audit log go besides the database. */
export interface CheckpointSettings {
  readonly file: CheckpointFile | undefined;
  readonly webhook: Webhook | undefined;
}

/** The settings as they stand in the environment. */
interface CheckpointEnvironment {
  NODE_ENV: string;
  AUDIT_CHECKPOINT_FILE?: string | undefined;
  AUDIT_CHECKPOINT_WEBHOOK?: string | undefined;
  AUDIT_CHECKPOINT_WEBHOOK_TOKEN?: string | undefined;
}

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
  const production = env.NODE_ENV === 'production';
  return [
    ...problems,
    ...objectionsToWebhook('AUDIT_CHECKPOINT_WEBHOOK', { url: webhook, token }, production),
  ];
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

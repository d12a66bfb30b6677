import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';
import { findWebhookProblems, webhookSink } from './webhookSettings';
import type { Webhook } from './webhookSettings';

/** The settings of the destinations of signed checkpoints. */
export const checkpointSettings = {
  AUDIT_CHECKPOINT_FILE: text(),
  AUDIT_CHECKPOINT_WEBHOOK: text(),
  AUDIT_CHECKPOINT_WEBHOOK_TOKEN: text(),
};

type CheckpointEnvironment = SettingsOf<typeof checkpointSettings> & Mode;

/** An append-only file for signed checkpoints. */
export interface CheckpointFile {
  /** Identifies the file among all nodes: the machine, and the path on it. */
  readonly sink: string;
  readonly path: string;
}

/** The destinations of signed checkpoints outside the database. */
export interface CheckpointSettings {
  readonly file: CheckpointFile | undefined;
  readonly webhook: Webhook | undefined;
}

const isFolder = (path: string) =>
  path.endsWith('/') || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function namesFile(path: string): boolean {
  if (!isAbsolute(path) || path.includes('\0')) return false;
  try {
    return !isFolder(path);
  } catch {
    // If the path cannot be read now, the fault may be temporary, and delivery is retried.
    return true;
  }
}

/** @returns one sentence for each invalid setting; none repeats a value, which may be a secret */
export function findCheckpointProblems(env: CheckpointEnvironment): string[] {
  const problems: string[] = [];
  const {
    AUDIT_CHECKPOINT_FILE: file,
    AUDIT_CHECKPOINT_WEBHOOK: webhook,
    AUDIT_CHECKPOINT_WEBHOOK_TOKEN: token,
  } = env;
  if (file !== undefined && !namesFile(file)) {
    problems.push('AUDIT_CHECKPOINT_FILE must be the absolute path of a file, not of a folder.');
  }
  const receiver = { url: webhook, token };
  return [
    ...problems,
    ...findWebhookProblems('AUDIT_CHECKPOINT_WEBHOOK', receiver, isProduction(env)),
  ];
}

/** Reads settings that {@link findCheckpointProblems} has accepted; unset ones are undefined. */
export function readCheckpointSettings(env: CheckpointEnvironment): CheckpointSettings {
  const { AUDIT_CHECKPOINT_FILE: path, AUDIT_CHECKPOINT_WEBHOOK: url } = env;
  const token = env.AUDIT_CHECKPOINT_WEBHOOK_TOKEN;
  return {
    file: path === undefined ? undefined : fileSink(path),
    webhook: url === undefined ? undefined : webhookSink(url, token),
  };
}

/** Builds a file sink. The machine is part of its name, because each machine keeps its own file. */
export const fileSink = (path: string, machine = hostname()): CheckpointFile => ({
  sink: `file:${machine}:${path}`,
  path,
});

import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';
import { findWebhookProblems, webhookSink } from './webhookSettings';
import type { Webhook } from './webhookSettings';

/** The settings of the receiver of audit events. */
export const eventFeedSettings = {
  AUDIT_EVENT_WEBHOOK: text(),
  AUDIT_EVENT_WEBHOOK_TOKEN: text(),
  AUDIT_EVENT_WEBHOOK_FORMAT: text(),
  AUDIT_EVENT_WEBHOOK_START: text(),
};

type EventFeedEnvironment = SettingsOf<typeof eventFeedSettings> & Mode;

const FORMATS = ['ocsf', 'json'] as const;
const STARTS = ['beginning', 'now'] as const;

/** The receiver of audit events, which are sent as they are sealed. */
export interface EventFeedSettings extends Webhook {
  /** `json` sends the entry of the leaf itself, whose hash is in the log. */
  readonly format: (typeof FORMATS)[number];
  /** The first event for a receiver that has not got any yet. */
  readonly start: (typeof STARTS)[number];
}

const find = <Word extends string>(words: readonly Word[], value: string | undefined) =>
  words.find((word) => word === value);

/** @returns one sentence for each invalid setting; none repeats a value, which may be a secret */
export function findEventFeedProblems(env: EventFeedEnvironment): string[] {
  const { AUDIT_EVENT_WEBHOOK: url, AUDIT_EVENT_WEBHOOK_TOKEN: token } = env;
  const { AUDIT_EVENT_WEBHOOK_FORMAT: format, AUDIT_EVENT_WEBHOOK_START: start } = env;
  const problems = findWebhookProblems('AUDIT_EVENT_WEBHOOK', { url, token }, isProduction(env));
  if (format !== undefined && !find(FORMATS, format)) {
    problems.push('AUDIT_EVENT_WEBHOOK_FORMAT must be ocsf or json.');
  }
  if (start !== undefined && !find(STARTS, start)) {
    problems.push('AUDIT_EVENT_WEBHOOK_START must be beginning or now.');
  }
  return problems;
}

/**
 * Reads settings that {@link findEventFeedProblems} has accepted.
 * @returns undefined if no receiver is set
 */
export function readEventFeedSettings(env: EventFeedEnvironment): EventFeedSettings | undefined {
  if (env.AUDIT_EVENT_WEBHOOK === undefined) return undefined;
  return {
    ...webhookSink(env.AUDIT_EVENT_WEBHOOK, env.AUDIT_EVENT_WEBHOOK_TOKEN),
    format: find(FORMATS, env.AUDIT_EVENT_WEBHOOK_FORMAT) ?? 'ocsf',
    start: find(STARTS, env.AUDIT_EVENT_WEBHOOK_START) ?? 'beginning',
  };
}

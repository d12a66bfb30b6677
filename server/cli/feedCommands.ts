import { checkFeed, moveFeed, readFeedStatus } from '../audit';
import type { ReadyConfig } from '../config';
import { isRowId } from '../db/ids';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { optional, required } from './options';
import type { Options } from './options';

function sinkOf({ eventFeed }: ReadyConfig): string {
  if (!eventFeed) throw new CommandError('AUDIT_EVENT_WEBHOOK is not set: there is no feed.');
  return eventFeed.sink;
}

/** Returns the id of a log. It also accepts the form that checkpoints and the receiver use. */
function toLogId(value: string): string {
  const id = value.replace(/^gatehouse\//, '');
  if (!isRowId(id)) throw new CommandError('--log must be the id of a log.');
  return id.toLowerCase();
}

function toLeaf(name: string, value: string): number {
  const leaf = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(leaf)) {
    throw new CommandError(`--${name} must be a number from 0 on.`);
  }
  return leaf;
}

/** Shows the progress of the receiver in each log, or checks one of its events against the log. */
export function feedStatusCommand(options: Options, invocation: Invocation): Promise<object> {
  const log = optional(options, 'log');
  const logId = log === undefined ? undefined : toLogId(log);
  const hash = optional(options, 'hash');
  const check =
    hash === undefined
      ? undefined
      : {
          index: toLeaf('leaf', required(options, 'leaf')),
          hash,
          logId: toLogId(required(options, 'log')),
        };
  return asOperator<object>(invocation, ({ config, deps }) =>
    check
      ? checkFeed(deps.pool, check.logId, check)
      : readFeedStatus(deps.pool, sinkOf(config), logId),
  );
}

/**
 * Continues the feed at a leaf: earlier events are sent again from there, or those before it are
 * skipped.
 */
export function feedRewindCommand(options: Options, invocation: Invocation) {
  const logId = toLogId(required(options, 'log'));
  const to = toLeaf('to', required(options, 'to'));
  return asWriter(options, invocation, async ({ config, deps, ctx }) => {
    const from = await moveFeed(deps, ctx, sinkOf(config), { logId, to });
    if (from === undefined) {
      throw new CommandError(
        `The feed has no log '${logId}' with a checkpoint of at least ${to} leaves.`,
      );
    }
    return { log: logId, from, to };
  });
}

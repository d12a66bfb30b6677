import type { Webhook } from '../../config/webhookSettings';
import type { Clock } from '../../context';
import type { Sink } from './deliverSink';
import { openPoster } from './webhookPost';

/** Opens a sink that posts notes to a receiver one at a time, each after the one before was accepted. */
export function openWebhookSink(webhook: Webhook, clock: Clock, timeoutMs?: number): Sink {
  const poster = openPoster(webhook, clock, timeoutMs);
  return {
    kind: 'webhook',
    name: webhook.sink,
    atOnce: 1,
    async send(checkpoints, ending) {
      for (const { id, note } of checkpoints) {
        const headers = { 'gatehouse-checkpoint-id': String(id) };
        await poster.post({ type: 'text/plain; charset=utf-8', headers, body: note }, ending);
      }
    },
    close: () => poster.close(),
  };
}

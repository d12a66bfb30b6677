// Reports what people do in this product to Gatehouse's audit log.
import { randomUUID } from 'node:crypto';

const TRIES = 3;

/** Returns whether the same request can succeed later. */
const isPassing = (status) => status === 429 || status === 503;

/**
 * Builds the function that reports one event. It throws if the event was not recorded.
 * Each try sends the same text with the same key, so an answer that is lost writes nothing twice.
 */
export function openReports({ gatehouseUrl, serviceKey }) {
  const url = new URL('/api/audit/events', gatehouseUrl);

  return async function report(event) {
    const request = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${serviceKey}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
      body: JSON.stringify({ events: [event] }),
    };
    let problem;
    for (let left = TRIES; left > 0; left -= 1) {
      try {
        const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(3000) });
        if (answer.status === 201) return;
        problem = new Error(`the event was answered with ${answer.status}: ${await answer.text()}`);
        if (!isPassing(answer.status)) break;
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  };
}

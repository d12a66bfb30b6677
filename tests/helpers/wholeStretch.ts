import { createHash } from 'node:crypto';
import { canonicalJson } from '@/server/audit';
import type { Json } from '@/server/audit/canonicalJson';
import type { Evidence } from './evidenceBundle';

/** Fails where not every leaf of the stretch is in one of the two logs of a bundle in JSON lines, as it was hashed. */
export function expectWholeStretch(evidence: Evidence): void {
  const { firstLeaf, lastLeaf } = evidence.manifest.log;
  const events = [
    ...evidence.lines('audit-log.jsonl'),
    ...evidence.lines('audit-log-edges.jsonl'),
  ].sort((one, other) => Number(one['leaf_index']) - Number(other['leaf_index']));
  expect(events.map((event) => event['leaf_index'])).toEqual(
    Array.from({ length: lastLeaf - firstLeaf + 1 }, (_, n) => firstLeaf + n),
  );
  // In the order of RFC 8785, so that a line is the entry but for what is within `details`.
  for (const event of events) expect(Object.keys(event)).toEqual(Object.keys(event).sort());
  const hashes = events.map((event) =>
    createHash('sha256')
      .update(`\x00${canonicalJson(event as Json)}`)
      .digest('base64'),
  );
  expect(evidence.text('leaves.txt').split('\n').slice(0, -1)).toEqual(hashes);
}

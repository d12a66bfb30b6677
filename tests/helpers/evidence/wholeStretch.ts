import { createHash } from 'node:crypto';
import { canonicalJson } from '@/server/audit';
import type { Json } from '@/tlog/canonicalJson';
import type { Evidence } from './evidenceBundle';

/**
 * Fails if any leaf of the stretch is missing from the two logs of a bundle in JSON lines, or has
 * another hash there.
 */
export function expectWholeStretch(evidence: Evidence): void {
  const { firstLeaf, lastLeaf } = evidence.manifest.log;
  const events = [
    ...evidence.lines('audit-log.jsonl'),
    ...evidence.lines('audit-log-edges.jsonl'),
  ].sort((one, other) => Number(one['leaf_index']) - Number(other['leaf_index']));
  expect(events.map((event) => event['leaf_index'])).toEqual(
    Array.from({ length: lastLeaf - firstLeaf + 1 }, (_, n) => firstLeaf + n),
  );
  // Members in the order of RFC 8785 make the line equal to the entry, except within `details`.
  for (const event of events) expect(Object.keys(event)).toEqual(Object.keys(event).sort());
  const hashes = events.map((event) =>
    createHash('sha256')
      .update(`\x00${canonicalJson(event as Json)}`)
      .digest('base64'),
  );
  expect(evidence.text('leaves.txt').split('\n').slice(0, -1)).toEqual(hashes);
}

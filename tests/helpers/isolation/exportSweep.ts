import { decoys } from './aim';
import type { Sweep } from './aim';

const today = new Date().toISOString().slice(0, 10);
const range = { from: today, to: today, format: 'json' };

/** The foreign ids that can be sent to the exports. */
export const EXPORT_SWEEP: Sweep = {
  'post /api/compliance/export/bundle': (ids) => [
    { body: { ...range, ...decoys(ids) }, expected: 200 },
  ],
  'post /api/compliance/export/security-events': (ids) => [
    { body: { ...range, ...decoys(ids) }, expected: 200 },
  ],
};

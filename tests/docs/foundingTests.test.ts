import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A team pastes these two files unchanged, and this repository runs the same bytes. */
const FOUNDING: [path: string, sha256: string][] = [
  [
    'tests/auth/login.anomaly-nonfatal.test.ts',
    '7e147d88c9e6d192af31ba409cb7f6cddea4daae1cc4543d13ba8f9ba9b1fca6',
  ],
  [
    'tests/compliance/soc2-export-bundle.smoke.test.ts',
    '8e9b17e857904a37855707c0ab168e61e0305f34155bea19caf581e1737376f2',
  ],
];

it.each(FOUNDING)('%s is the file that the product was founded on, unchanged', (path, sha256) => {
  const bytes = readFileSync(join(__dirname, '..', '..', path));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
});

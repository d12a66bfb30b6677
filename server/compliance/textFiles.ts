import type { BundleFile } from './copyStore';

const text = (
  name: string,
  description: string,
  controls: BundleFile['controls'] = [],
): BundleFile => ({ name, description, controls });

/** The files of a bundle that are not read with COPY. leaves.txt is, but has no columns. */
export const TEXT_FILES = {
  readme: text('README.txt', 'What this bundle contains, and how to check it.'),
  leafHashes: text(
    'leaves.txt',
    'The hash of each event of audit-log and audit-log-edges, in base64, in the order of the log.',
  ),
  leaves: text(
    'leaves.json',
    'The position of these events in the Merkle tree of all events, and the hashes of the rest of the tree.',
  ),
  checkpoint: text(
    'checkpoint.txt',
    'The signed checkpoint of the log. The events and hashes above lead to its root hash.',
  ),
  consistency: text(
    'consistency.json',
    'Proofs that this log begins with the logs of earlier bundles, unchanged.',
  ),
  controls: text(
    'controls.csv',
    'Begin here. For each criterion of SOC 2: the files that answer it, what to look for in them, and what they do not show.',
  ),
  summary: text(
    'summary.html',
    'An overview of the range by week, for a browser. The page runs no scripts.',
    [
      {
        criterion: 'CC7.2',
        lookFor:
          'Sign-ins, failures, challenges, blocks and exports by week. If a week stands out, take a sample of its events from audit-log.',
        limits: 'Single events: the page shows only counts.',
      },
    ],
  ),
  manifest: text(
    'manifest.json',
    'The name, size, SHA-256, number of rows and population of each file above.',
  ),
  signature: text('manifest.sig', 'The signature of manifest.json.'),
} as const;

import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const inFolder = (name: string) => join(process.env['GATEHOUSE_TEST_DIR'] ?? '', name);

/** The file with all answers of this run. */
export const answersFile = () => inFolder('answers');

/** The file with the objections to answers of the servers that this worker started. */
const faultsFile = () => inFolder(`answer-faults-${process.pid}`);

/** The module that a server in another process loads before its own code. */
export const watchingModule = () => inFolder('watchAnswers.cjs');

/**
 * Returns the arguments and the settings of Node with which a server in another process compares its
 * answers too.
 */
export const watched = () => ({
  args: ['--require', watchingModule()],
  env: { ANSWERS_SEEN_IN: answersFile(), ANSWERS_REFUSED_IN: faultsFile() },
});

/** Returns the objections of those servers since the last call. */
export function takeFaults(): string[] {
  const file = faultsFile();
  if (!existsSync(file)) return [];
  const found = readFileSync(file, 'utf8').split('\n');
  truncateSync(file);
  return found.filter((fault) => fault !== '');
}

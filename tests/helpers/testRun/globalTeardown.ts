import { rmSync } from 'node:fs';
import { answersFile } from './answerFiles';
import { findUnsentAnswers } from './reportAnswers';
import { dropTestDatabases } from '../database/testDatabase';

/** The part of jest's settings that says whether all tests ran. */
interface RunOfTests {
  testPathPatterns: { isSet(): boolean };
  testNamePattern?: string;
}

/** Reports, after a whole run, the answers that endpoints list and that no test got. */
function reportAnswers({ testPathPatterns, testNamePattern }: RunOfTests): void {
  const isPart = testPathPatterns.isSet() || testNamePattern;
  if (isPart && !process.env['REPORT_ANSWERS']) return;
  const unsent = findUnsentAnswers(answersFile());
  if (unsent.length === 0) return;
  process.stderr.write(
    `No test got these answers, which the routes list:\n  ${unsent.join('\n  ')}\n`,
  );
}

export default async function globalTeardown(config: RunOfTests): Promise<void> {
  reportAnswers(config);
  if (globalThis.gatehouseTestServer) await globalThis.gatehouseTestServer.stop();
  else await dropTestDatabases();
  const folder = process.env['GATEHOUSE_TEST_DIR'];
  if (folder) rmSync(folder, { recursive: true, force: true });
}

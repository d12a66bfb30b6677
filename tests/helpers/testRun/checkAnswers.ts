import { appendFileSync } from 'node:fs';
import { answersFile, takeFaults } from './answerFiles';
import { watchAnswers } from './watchAnswers';

// Compares each answer of a server in this process with the document of the API, and fails the test
// that caused one that is not described. It also takes the objections of servers in other processes.

const faults: string[] = [];
const lines = new Set<string>();

const stop = watchAnswers({
  object: (fault) => void faults.push(fault),
  record: (line) => void lines.add(line),
});

function failIfAnyFault(): void {
  const found = [...faults.splice(0), ...takeFaults()];
  if (found.length > 0) {
    throw new Error(`Answers that openapi.json does not describe:\n${found.join('\n')}`);
  }
}

afterEach(failIfAnyFault);

afterAll(() => {
  stop();
  if (lines.size > 0) appendFileSync(answersFile(), `${[...lines].join('\n')}\n`);
  failIfAnyFault();
});

import { appendFileSync } from 'node:fs';
import { watchAnswers } from './watchAnswers';

// A server in another process loads this before its own code (answerFiles.ts). It writes before the
// answer is sent, so that the test that gets the answer finds the objection.

const { ANSWERS_SEEN_IN: answers = '', ANSWERS_REFUSED_IN: faults = '' } = process.env;
const lines = new Set<string>();

watchAnswers({
  object: (fault) => appendFileSync(faults, `${fault.replaceAll('\n', ' ')}\n`),
  record(line) {
    if (lines.has(line)) return;
    lines.add(line);
    appendFileSync(answers, `${line}\n`);
  },
});

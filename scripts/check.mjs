// Runs every check, the longest first.
import { runSteps } from './runSteps.mjs';

const CHECKS = ['types', 'format', 'lint', 'imports', 'schema', 'dead', 'english'];

await runSteps(
  CHECKS.map((name) => ({
    name: `check:${name}`,
    command: 'npm',
    args: ['run', '--silent', `check:${name}`],
  })),
);

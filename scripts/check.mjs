// Runs every check, two at a time and the longest first, and shows what each had to say once it is done. One that
// fails stops no other: all that is wrong is said in one run.
import { spawn } from 'node:child_process';

const CHECKS = ['lint', 'types', 'format', 'imports', 'schema', 'dead'];
const AT_ONCE = 2;

function run(name) {
  const child = spawn('npm', ['run', '--silent', `check:${name}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => output.push(part));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // 'close' comes after the last of the output.
    child.once('close', (code) => {
      process.stdout.write(Buffer.concat(output));
      if (code !== 0) process.stderr.write(`check:${name} failed\n`);
      resolve(code === 0);
    });
  });
}

const waiting = [...CHECKS];
let allPassed = true;

async function work() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    allPassed = (await run(name)) && allPassed;
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
if (!allPassed) process.exitCode = 1;

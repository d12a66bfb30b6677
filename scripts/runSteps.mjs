import { spawn } from 'node:child_process';

const say = (text) => process.stdout.write(`${text}\n`);

/**
 * @returns whether the command of one step succeeded; its output is printed in one piece when it
 *   has ended
 */
function runStep({ name, command, args }) {
  say(`${name} …`);
  const began = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => output.push(part));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // 'close' comes after all of the output.
    child.once('close', (code) => {
      process.stdout.write(Buffer.concat(output));
      const seconds = Math.round((performance.now() - began) / 1000);
      say(`${name} ${code === 0 ? 'passed' : 'FAILED'} (${seconds} s)`);
      resolve(code === 0);
    });
  });
}

/**
 * Runs commands two at a time, in the given order, and prints when each begins and how it ended. A
 * step that fails does not stop the others, so that one run shows everything that is wrong. The
 * exit code is 1 if any failed.
 * @param {{ name: string, command: string, args: string[] }[]} steps
 */
export async function runSteps(steps) {
  const waiting = [...steps];
  let allPassed = true;
  const work = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      allPassed = (await runStep(step)) && allPassed;
    }
  };
  await Promise.all([work(), work()]);
  if (!allPassed) process.exitCode = 1;
}

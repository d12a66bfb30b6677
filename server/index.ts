import { EXIT } from './bootstrap/exitCodes';
import { exitCodeOf, explainStart, startNode, stopNode } from './bootstrap/startNode';
import type { Running } from './bootstrap/startNode';

function complain(error: unknown): void {
  process.stderr.write(`${explainStart(error)}\n`);
}

async function main(): Promise<void> {
  if (process.argv.length > 2) {
    process.stderr.write(
      'The server takes no arguments: settings come from the environment and .env. `npm run --silent admin -- help` lists the commands.\n',
    );
    process.exit(EXIT.FAILED);
  }
  const running: Running = {};
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) {
      running.deps?.drain.hurry();
      return;
    }
    stopping = true;
    running.deps?.logger.info({ signal }, 'stopping');
    stopNode(running).then(
      () => process.exit(0),
      (error: unknown) => {
        complain(error);
        process.exit(EXIT.FAILED);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    await startNode(running, process);
  } catch (error) {
    complain(error);
    await stopNode(running).catch(complain);
    process.exit(exitCodeOf(error));
  }
}

void main();

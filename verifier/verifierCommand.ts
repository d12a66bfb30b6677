import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { joinKeys, parseKeys } from '../tlog/believedKeys';
import type { GivenKeys } from '../tlog/believedKeys';
import { explainFileFault, explainOptions } from '../tlog/inputFaults';
import { guardOutput } from '../tlog/closedOutput';
import { CannotVerifyError } from './cannotVerify';
import { NEWEST_FORMAT } from './formats';
import { openBundle, openFile } from './nodeSource';
import { outcomeOf, OUTCOMES } from './outcome';
import { describeAsJson, describeAsText } from './bundleReport';
import { verifyBundle } from './verifyBundle';

const USAGE = `Usage: node verify.mjs FILE [OPTION]...      (npm run --silent verify-bundle -- FILE [OPTION]...)
Verifies an evidence bundle, a ZIP file or the folder it was unpacked into: its signature, every file, every event, and that none is missing. Needs only Node.js 20.19.
  --key KEY          a public key that you trust: a PEM file, a file of vkeys, or a vkey; may be repeated
  --checkpoint FILE  a bundle or checkpoints (text) that you were given earlier; may be repeated
  --consistency FILE a proof of consistency, the response of GET /api/compliance/consistency; may be repeated
  --format N         the oldest bundle format that you accept (default 1, the newest is ${NEWEST_FORMAT})
  --limit N          the number of findings to show (default 20); all are counted
  --json             one JSON object on stdout
  --help             this text
Exit 0: the bundle is sound, and signed by a key that was given. Exit 1: it is not sound. Exit 2: it could not be verified.
Exit 3: it is consistent, but no key was given. Exit 4: it cannot be compared with the given files; the report says what to ask for.`;

/**
 * The exit code if the bundle could not be verified: an input cannot be read, or the command line
 * is wrong.
 */
const UNKNOWN = 2;

const OPTIONS = {
  checkpoint: { type: 'string', multiple: true },
  consistency: { type: 'string', multiple: true },
  key: { type: 'string', multiple: true },
  format: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** @throws CannotVerifyError with the usage, if the command line is wrong */
function parseCommand() {
  let problem = '';
  try {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    const [limit, format] = [values.limit ?? '20', values.format ?? '1'];
    const isLimit = /^[1-9][0-9]{0,4}$/.test(limit);
    const isFormat = /^[1-9]$/.test(format) && Number(format) <= NEWEST_FORMAT;
    if (isLimit && isFormat && (positionals.length === 1 || values.help === true)) {
      const numbers = { limit: Number(limit), leastFormat: Number(format) };
      return { ...values, ...numbers, file: positionals[0] ?? '' };
    }
    problem = 'One FILE must be given.';
    if (!isFormat) problem = `--format must be a number from 1 to ${NEWEST_FORMAT}.`;
    if (!isLimit) problem = '--limit must be a number from 1 to 99999.';
  } catch (error) {
    problem = explainOptions(error, OPTIONS);
  }
  throw new CannotVerifyError(`${problem}\n${USAGE}`);
}

function readKey(given: string): GivenKeys {
  let text = given;
  try {
    if (existsSync(given)) text = readFileSync(given, 'utf8');
  } catch (error) {
    throw new CannotVerifyError(`--key: ${given} cannot be read: ${explainFileFault(error)}.`);
  }
  const keys = parseKeys(text);
  if (keys) return keys;
  throw new CannotVerifyError(
    `--key: ${given} is neither a file with Ed25519 keys (PEM, or vkeys) nor a vkey.`,
  );
}

async function openGiven<Opened>(file: string, open: (path: string) => Promise<Opened>) {
  try {
    return await open(file);
  } catch (error) {
    throw new CannotVerifyError(`${file} cannot be read: ${explainFileFault(error)}.`);
  }
}

async function openAll<Opened>(
  files: readonly string[] = [],
  open: (path: string) => Promise<Opened>,
) {
  const opened = [];
  for (const file of files) opened.push(await openGiven(file, open));
  return opened;
}

/**
 * Returns a function that shows the progress every half second, or undefined if stderr is no
 * terminal.
 */
function showProgress(): ((done: number, of: number) => void) | undefined {
  const { stderr } = process;
  if (!stderr.isTTY) return undefined;
  let shown = Date.now();
  return (done, of) => {
    if (Date.now() - shown < 500) return;
    shown = Date.now();
    stderr.write(`\r${done} of ${of} events (${Math.floor((100 * done) / of)} %) `);
  };
}

async function main(): Promise<number> {
  const { file, key, checkpoint, consistency, limit, leastFormat, json, help } = parseCommand();
  if (help === true) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const keys = key && joinKeys(key.map(readKey));
  const source = await openGiven(file, openBundle);
  const earlier = await openAll(checkpoint, openBundle);
  const proofs = await openAll(consistency, openFile);
  const onProgress = showProgress();
  const verification = await verifyBundle(source, {
    ...{ keys, earlier, proofs, limit, leastFormat, onProgress },
  });
  if (onProgress) process.stderr.write('\r\u001b[K');
  process.stdout.write((json === true ? describeAsJson : describeAsText)(verification));
  await Promise.all([source, ...earlier, ...proofs].map((one) => one.close()));
  return OUTCOMES[outcomeOf(verification)];
}

guardOutput(UNKNOWN);
main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const known = error instanceof CannotVerifyError;
    process.stderr.write(
      `${known ? error.message.trim() : `The bundle could not be read: ${explainFileFault(error)}.`}\n`,
    );
    process.exitCode = UNKNOWN;
  },
);

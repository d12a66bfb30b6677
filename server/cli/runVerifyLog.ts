import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  CannotVerifyError,
  cutOffNotice,
  explainFileFault,
  explainOptions,
  NoteFileError,
  joinKeys,
  parseKeys,
  readNotes,
  splitLines,
  verifyLog,
} from '../audit/verify';
import type { GivenCheckpoint, GivenKeys } from '../audit/verify';
import {
  EmbeddedPostgresError,
  findRunningEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../embedded/embeddedPostgres';
import { findLocalSecrets } from '../keys/localSecrets';
import { ConfigError, readEnvironmentFile } from '../config';
import { loadEvidenceConfig } from '../config/evidenceConfig';
import { explainConnectionFault } from '../db/connectionFaults';
import { databaseFault } from '../db/pgErrors';
import type { Invocation } from './invocation';
import { describeAsJson, describeAsText, isJudged } from './verifyLogReport';

const USAGE = `Usage: npm run --silent verify-log -- [OPTION]...
Verifies the audit log of the database: every event, every hash, every signed checkpoint.
  --checkpoint FILE  one or more checkpoints that you were given earlier; may be repeated
  --key KEY          a public key that you trust: a PEM file, or a vkey; may be repeated
  --tenant SLUG      verify one log only: that of a tenant, or the log with this id
  --limit N          the number of findings to show (default 20); all are counted
  --json             one JSON object on stdout
Exit 0: the log is sound. Exit 1: it is not. Exit 2: it could not be verified.`;

/** The exit codes: the log is sound, it is not sound, or it could not be verified. */
export const EXIT = { SOUND: 0, FOUND: 1, UNKNOWN: 2 } as const;

const OPTIONS = {
  checkpoint: { type: 'string', multiple: true },
  key: { type: 'string', multiple: true },
  tenant: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** @throws CannotVerifyError with the usage, if an option is wrong */
function parseOptions(args: string[]) {
  try {
    const { values } = parseArgs({ args, options: OPTIONS });
    const limit = values.limit ?? '20';
    if (/^[1-9][0-9]{0,4}$/.test(limit)) return { ...values, limit: Number(limit) };
  } catch (error) {
    throw new CannotVerifyError(`${explainOptions(error, OPTIONS)}\n${USAGE}`);
  }
  throw new CannotVerifyError(`--limit must be a number from 1 to 99999.\n${USAGE}`);
}

function readFile(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CannotVerifyError(`--${option}: ${file} cannot be read: ${explainFileFault(error)}.`);
  }
}

function readKey(given: string): GivenKeys {
  const keys = parseKeys(existsSync(given) ? readFile('key', given) : given);
  if (!keys) {
    throw new CannotVerifyError(
      `--key: ${given} is neither a file with Ed25519 keys (PEM, or vkeys) nor a vkey.`,
    );
  }
  return keys;
}

/** @throws CannotVerifyError if there is no key to believe */
function gatherKeys(
  { dataDir, keys, keysAreLocal }: ReturnType<typeof loadEvidenceConfig>,
  given: readonly string[],
): GivenKeys {
  const local = keysAreLocal ? findLocalSecrets(dataDir) : undefined;
  const pems = [...keys];
  if (local) pems.push(local.evidenceSigningKey, ...local.evidenceRetiredKeys);
  const own = pems.length === 0 ? undefined : parseKeys(pems.join('\n'));
  if (pems.length > 0 && !own) {
    throw new CannotVerifyError(
      'EVIDENCE_SIGNING_KEY and EVIDENCE_RETIRED_KEYS must hold Ed25519 keys in PEM form.',
    );
  }
  const all = [...(own ? [own] : []), ...given.map(readKey)];
  if (all.length === 0) {
    throw new CannotVerifyError(
      'There is no key to trust: set EVIDENCE_SIGNING_KEY, or give a public key with --key.',
    );
  }
  return joinKeys(all);
}

const ZIP_START = 'PK\u0003\u0004';

/** @throws CannotVerifyError for a bundle, because this command reads no ZIP files */
async function* readTexts(file: string): AsyncGenerator<string> {
  let isFirst = true;
  for await (const chunk of createReadStream(file, 'utf8')) {
    const text = String(chunk);
    if (isFirst && text.startsWith(ZIP_START)) {
      throw new CannotVerifyError(
        `--checkpoint: ${file} is a ZIP file, which verify-log does not read: extract checkpoint.txt from it, and give that file.`,
      );
    }
    isFirst = false;
    yield text;
  }
}

async function* readCheckpoints(
  files: readonly string[],
  onCutOff: () => void,
): AsyncGenerator<GivenCheckpoint> {
  for (const file of files) {
    let found = false;
    try {
      for await (const { line, checkpoint } of readNotes(splitLines(readTexts(file)), onCutOff)) {
        found = true;
        yield { where: `${file}:${line}`, checkpoint };
      }
    } catch (error) {
      if (error instanceof CannotVerifyError) throw error;
      const isForm = error instanceof NoteFileError;
      const because = isForm ? error.message : `cannot be read: ${explainFileFault(error)}`;
      throw new CannotVerifyError(`--checkpoint: ${file}${isForm ? ':' : ''} ${because}.`);
    }
    if (!found) throw new CannotVerifyError(`--checkpoint: ${file} contains no checkpoint.`);
  }
}

/**
 * Opens the server's database: the one in the settings, or the embedded one, which is started if it
 * does not run. It creates and migrates none.
 */
async function openDatabase({ databaseUrl, dataDir }: ReturnType<typeof loadEvidenceConfig>) {
  if (databaseUrl !== undefined) return { databaseUrl, close: () => Promise.resolve() };
  if (!findLocalSecrets(dataDir)) {
    throw new CannotVerifyError(
      `DATABASE_URL is missing, and no embedded database was ever started in ${dataDir}.`,
    );
  }
  const running = await findRunningEmbeddedPostgres(dataDir);
  if (running !== null) return { databaseUrl: running, close: () => Promise.resolve() };
  const started = await startEmbeddedPostgres({ dataDir });
  return { databaseUrl: started.url, close: () => started.stop() };
}

/**
 * Returns a function that shows the progress every half second, or undefined if stderr is no
 * terminal.
 */
function showProgress({
  stderr,
}: Invocation): ((events: number, ofEvents: number) => void) | undefined {
  if (!stderr.isTTY) return undefined;
  let shown = Date.now();
  return (events, ofEvents) => {
    if (Date.now() - shown < 500) return;
    shown = Date.now();
    const share = ofEvents === 0 ? '' : ` (${Math.floor((100 * events) / ofEvents)} %)`;
    stderr.write(`\r${events} events${share} `);
  };
}

async function run(args: string[], invocation: Invocation): Promise<number> {
  const { checkpoint, key, tenant, limit, json, help } = parseOptions(args);
  if (help) {
    invocation.stdout.write(`${USAGE}\n`);
    return EXIT.SOUND;
  }
  readEnvironmentFile(invocation);
  const config = loadEvidenceConfig(invocation.env);
  const keys = gatherKeys(config, key ?? []);
  const database = await openDatabase(config);
  try {
    const onProgress = showProgress(invocation);
    let cutOff = 0;
    const verification = await verifyLog({
      databaseUrl: database.databaseUrl,
      keys,
      tenant,
      limit,
      earlier: readCheckpoints(checkpoint ?? [], () => void (cutOff += 1)),
      ...(onProgress && { onProgress }),
    });
    if (onProgress) invocation.stderr.write('\r\u001b[K');
    const notices = [...verification.notices, ...(cutOff > 0 ? [cutOffNotice(cutOff)] : [])];
    invocation.stdout.write((json ? describeAsJson : describeAsText)({ ...verification, notices }));
    if (verification.findings.total > 0) return EXIT.FOUND;
    return isJudged(verification) ? EXIT.SOUND : EXIT.UNKNOWN;
  } finally {
    await database.close();
  }
}

/** Returns undefined if the settings are wrong. No database was used then. */
function databaseUrl({ env }: Invocation): string | undefined {
  try {
    return loadEvidenceConfig(env).databaseUrl;
  } catch {
    return undefined;
  }
}

/** Returns one sentence for an operator, without a stack and without a query and its values. */
function explain(error: unknown, invocation: Invocation): string {
  const fault = databaseFault(error);
  const sentence = explainConnectionFault(error, databaseUrl(invocation));
  if (sentence !== undefined) return sentence;
  if (fault === 'unavailable') return 'The database does not answer.';
  if (fault === 'missing_table' || fault === 'missing_column') {
    return 'The tables of the log do not match this release: run `admin db check`.';
  }
  const message = error instanceof Error ? error.message : String(error);
  const known = [CannotVerifyError, ConfigError, EmbeddedPostgresError];
  if (known.some((kind) => error instanceof kind)) return message.trim();
  return `The log could not be read: ${message}.`;
}

/**
 * Verifies the audit log of the database, and closes everything that it opened.
 * @param args the words after the program's name
 * @returns the exit code; if nothing could be verified, stderr has the reason in one sentence
 */
export async function runVerifyLog(args: string[], invocation: Invocation): Promise<number> {
  try {
    return await run(args, invocation);
  } catch (error) {
    invocation.stderr.write(`${explain(error, invocation)}\n`);
    return EXIT.UNKNOWN;
  }
}

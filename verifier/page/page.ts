import { parseKeys } from '../../tlog/believedKeys';
import type { GivenKeys } from '../../tlog/believedKeys';
import type { BundleSource } from '../bundleSource';
import { CannotVerifyError } from '../cannotVerify';
import { outcomeOf, verdictOf } from '../outcome';
import { describeChecks, describeFinding, describeNotice, describeQuestion } from '../bundleReport';
import type { Verification } from '../inspection';
import { verifyBundle } from '../verifyBundle';
import { toSource } from './blobSource';

/** The number of findings that the page shows, as many as a person may read. */
const SHOWN = 200;

function find<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`the page has no #${id}`);
}

const form = find('form', HTMLFormElement);
const bundle = find('bundle', HTMLInputElement);
const keyText = find('key-text', HTMLTextAreaElement);
const keyFiles = find('key-files', HTMLInputElement);
const earlierText = find('earlier-text', HTMLTextAreaElement);
const earlierFiles = find('earlier-files', HTMLInputElement);
const proofFiles = find('proof-files', HTMLInputElement);
const button = find('verify', HTMLButtonElement);
const status = find('status', HTMLElement);
const progress = find('progress', HTMLProgressElement);
const report = find('report', HTMLElement);

/** Matches texts longer than any word, such as a hash or a time. */
const LONG = /(\S{20,})/;

/**
 * Creates an element with a text. Words stay whole at every width. Longer texts may break anywhere,
 * because the page would otherwise be wider than a phone.
 */
function make(tag: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  for (const part of text.split(LONG)) {
    if (!LONG.test(part)) {
      element.append(part);
      continue;
    }
    const long = document.createElement('span');
    long.className = 'long';
    long.textContent = part;
    element.append(long);
  }
  return element;
}

function listOf(title: string, texts: readonly string[]): HTMLElement[] {
  if (texts.length === 0) return [];
  const list = document.createElement('ul');
  list.append(...texts.map((text) => make('li', text)));
  return [make('h3', title), list];
}

const MARKS = { ok: 'ok', FAIL: 'FAIL', '--': 'not checked' } as const;

/** Only a sound bundle gets the class of success. */
const CLASSES = {
  sound: 'ok',
  not_sound: 'bad',
  unvouched: 'open',
  not_comparable: 'open',
} as const;

function show(verification: Verification): void {
  const { findings, notices, questions } = verification;
  const table = document.createElement('table');
  table.append(make('caption', 'Checks'));
  for (const { check, mark, says } of describeChecks(verification)) {
    const row = document.createElement('tr');
    const head = make('th', check);
    head.setAttribute('scope', 'row');
    row.append(head, make('td', MARKS[mark], mark === 'FAIL' ? 'bad' : mark), make('td', says));
    table.append(row);
  }
  const verdict = make('h2', verdictOf(verification), CLASSES[outcomeOf(verification)]);
  verdict.id = 'verdict';
  verdict.tabIndex = -1;
  const shown = findings.shown().map(describeFinding);
  const more = findings.total - shown.length;
  if (more > 0) shown.push(`… and ${more} more`);
  report.replaceChildren(
    verdict,
    ...listOf('Findings', shown),
    ...listOf('Not comparable', questions.map(describeQuestion)),
    table,
    ...listOf('Notes', notices.map(describeNotice)),
  );
  verdict.focus();
}

/** @returns the keys, or undefined if none was given */
async function readKeys(): Promise<GivenKeys | undefined> {
  const texts = [
    keyText.value,
    ...(await Promise.all([...(keyFiles.files ?? [])].map((file) => file.text()))),
  ];
  const given = texts.filter((text) => text.trim() !== '');
  const keys = given.map((text) => {
    const parsed = parseKeys(text);
    if (parsed) return parsed;
    throw new CannotVerifyError('The given key is neither a PEM of an Ed25519 key nor a vkey.');
  });
  if (keys.length === 0) return undefined;
  return {
    everywhere: keys.flatMap(({ everywhere }) => everywhere),
    named: keys.flatMap(({ named }) => named),
  };
}

function readEarlier(): BundleSource[] {
  const files = [...(earlierFiles.files ?? [])].map((file) => toSource(file.name, file));
  const text = earlierText.value.trim();
  return text === '' ? files : [...files, toSource('the checkpoint', new Blob([`${text}\n`]))];
}

let shownAt = 0;

function onProgress(done: number, of: number): void {
  if (performance.now() - shownAt < 100) return;
  shownAt = performance.now();
  progress.max = of;
  progress.value = done;
  status.textContent = `${Math.floor((100 * done) / of)} % of the events`;
}

async function verify(file: File): Promise<void> {
  const keys = await readKeys();
  const earlier = readEarlier();
  status.textContent = `Reading ${file.name}`;
  const proofs = [...(proofFiles.files ?? [])].map((one) => toSource(one.name, one));
  const options = { keys, earlier, proofs, limit: SHOWN, onProgress };
  show(await verifyBundle(toSource(file.name, file), options));
  status.textContent = 'Done.';
}

async function run(): Promise<void> {
  const file = bundle.files?.[0];
  if (!file) {
    status.textContent = 'Choose a bundle first.';
    return;
  }
  report.replaceChildren();
  button.disabled = true;
  progress.hidden = false;
  progress.removeAttribute('value');
  try {
    await verify(file);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const isKnown = error instanceof CannotVerifyError;
    status.textContent = isKnown ? message : `The bundle could not be read: ${message}.`;
  } finally {
    button.disabled = false;
    progress.hidden = true;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void run();
});

// Listens on the whole document: if a file is dropped beside the field, the browser would otherwise
// open it instead of the page.
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const files = event.dataTransfer?.files;
  if (!files || files.length === 0) return;
  bundle.files = files;
  status.textContent = `${files[0]?.name ?? ''} is chosen.`;
});

if (!('DecompressionStream' in globalThis)) {
  status.textContent = 'This browser cannot unpack ZIP files: use a newer one, or verify.mjs.';
  button.disabled = true;
}

import { findSigner, parseNote } from '../tlog/signedNote';
import type { Note } from '../tlog/signedNote';
import { createBelievers } from '../tlog/believedKeys';
import type { Believers } from '../tlog/believedKeys';
import { checkContents } from './checkContents';
import { openContainer } from './container';
import type { Bundle } from './container';
import { listFindings } from './bundleFindings';
import type { CheckName } from './bundleFindings';
import { checkFileNames, isInOrder } from './fileNames';
import { NEWEST_FORMAT } from './formats';
import { plural, say } from './inspection';
import type { BundleOptions, Inspection, Saying, Verification } from './inspection';
import { NewerFormatError, readManifest } from './readManifest';
import type { Manifest, Signer } from './readManifest';
import { decodeText, FormError } from './members';
import { MOST_MANIFEST_BYTES, readWhole } from './wholeFile';
import { ZipError } from './zipDirectory';
import { ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

const listed = (names: readonly string[]): string =>
  names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');

async function openFiles(inspection: Inspection): Promise<readonly PackedFile[] | undefined> {
  const { source, findings, notices } = inspection;
  try {
    const { files, isRepacked, litter, others } = await openContainer(source);
    inspection.isRepacked = isRepacked;
    if (litter.length > 0) {
      notices.push(`The operating system added files, which were not checked: ${listed(litter)}.`);
    }
    if (others.length > 0) {
      notices.push(
        `Files in the folder that do not belong to the bundle, and that nobody has signed: ${listed(others)}.`,
      );
    }
    return files;
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    findings.add({ kind: error.kind, file: error.file, message: error.message });
    return undefined;
  }
}

/**
 * Records the result for the container. Only at the end is it known whether its contents are those
 * that were signed.
 */
function sayContainer(inspection: Inspection, files: readonly PackedFile[]): void {
  const count = plural(files.length, 'file');
  const isAsSigned =
    inspection.findings.total === 0 &&
    inspection.questions.every(({ kind }) => kind !== 'format_newer');
  const contents = isAsSigned ? '; the contents are the signed ones' : '';
  const says = inspection.isRepacked
    ? `repacked${contents}: ${count}`
    : `${count} one after the other, nothing between, before or after them`;
  say(inspection, 'zip', says);
}

/** Reads a small file. If it is missing, its own kind of finding is reported. */
async function readNamed(
  inspection: Inspection,
  files: readonly PackedFile[],
  name: string,
  missing: { kind: 'manifest_missing' | 'signature_missing'; message: string },
): Promise<Buffer | undefined> {
  const file = files.find(({ entry }) => entry.name === name);
  if (!file) {
    inspection.findings.add(missing);
    return undefined;
  }
  try {
    return await readWhole(file, MOST_MANIFEST_BYTES);
  } catch (error) {
    if (!(error instanceof ZipDamage)) throw error;
    inspection.findings.add({ kind: 'zip_damaged', file: name, message: error.message });
    return undefined;
  }
}

/** @returns the manifest and its signer; for a manifest of a newer format only the signer */
function openManifest(
  inspection: Inspection,
  bytes: Buffer,
): { manifest?: Manifest; signer?: Signer | undefined } {
  try {
    const manifest = readManifest(bytes);
    const { tenant, range, asOf } = manifest;
    const says = `of ${tenant.slug} (${tenant.id}), ${range.from} to ${range.to}, as of ${asOf}`;
    say(inspection, 'manifest', says);
    return { manifest, signer: manifest };
  } catch (error) {
    if (error instanceof NewerFormatError) {
      const ask = 'a newer verifier, and use that';
      inspection.questions.push({ kind: 'format_newer', message: error.message, ask });
      return { signer: error.signer };
    }
    if (!(error instanceof FormError)) throw error;
    const { message } = error;
    inspection.findings.add({ kind: 'manifest_malformed', file: 'manifest.json', message });
    return {};
  }
}

/**
 * @returns the note, or undefined if the signature file holds none; faults of the signature become
 *   findings
 */
function checkSignature(
  inspection: Inspection,
  signer: Signer,
  text: Buffer,
  signature: Buffer,
): Note | undefined {
  const { add } = inspection.findings;
  const file = 'manifest.sig';
  const note = parseNote(decodeText(signature) ?? '');
  if (!note) {
    const message =
      signature.length === 0
        ? 'it is empty, so nobody has signed the manifest'
        : 'it is not a signed note';
    add({
      kind: signature.length === 0 ? 'signature_missing' : 'signature_malformed',
      file,
      message,
    });
    return undefined;
  }
  if (note.text !== `${text.toString()}\n`) {
    const message =
      'its text is not manifest.json with a line feed after it: another manifest was signed';
    add({ kind: 'signature_malformed', file, message });
    return note;
  }
  const isSigned = findSigner(note, [signer.key]) !== undefined;
  if (isSigned) say(inspection, 'signature', `the manifest is signed by ${signer.vkey}`);
  else {
    const message = `the manifest was not signed by the key that it names, ${signer.vkey}, or it was changed afterwards`;
    add({ kind: 'signature_wrong', file, message });
  }
  return note;
}

function checkKey(inspection: Inspection, { vkey, key }: Signer, note: Note, believers: Believers) {
  if (!inspection.options.keys) {
    const says = `no key was given, and anybody can make a key: compare ${vkey} with the key that you received in another way, or give that key`;
    say(inspection, 'key', says, '--');
    return;
  }
  const objection = believers.objectionTo(key.name, note);
  if (objection === undefined) say(inspection, 'key', 'the key is one that you gave');
  else inspection.findings.add({ kind: 'key_foreign', file: 'manifest.sig', message: objection });
}

async function inspect(inspection: Inspection): Promise<Manifest | undefined> {
  const files = await openFiles(inspection);
  if (!files) return undefined;
  const manifest = await inspectFiles(inspection, files);
  sayContainer(inspection, files);
  return manifest;
}

async function inspectFiles(
  inspection: Inspection,
  files: readonly PackedFile[],
): Promise<Manifest | undefined> {
  const text = await readNamed(inspection, files, 'manifest.json', {
    kind: 'manifest_missing',
    message: 'there is no manifest.json, so this is not an evidence bundle',
  });
  const signature = await readNamed(inspection, files, 'manifest.sig', {
    kind: 'signature_missing',
    message: 'there is no manifest.sig, so nobody has signed this bundle',
  });
  const { manifest, signer } = text ? openManifest(inspection, text) : {};
  if (!text || !signer) return undefined;
  const keys = inspection.options.keys ?? { everywhere: [], named: [signer.key] };
  const believers = createBelievers(keys);
  const note = signature && checkSignature(inspection, signer, text, signature);
  if (note) checkKey(inspection, signer, note, believers);
  if (!manifest) return undefined;
  checkFileNames(files, manifest, inspection.findings.add);
  inspection.isRepacked ||= !isInOrder(files, manifest);
  await checkContents(inspection, { files, manifest, believers });
  return manifest;
}

function noteFormat({ notices, questions, options }: Inspection, { bundleFormat }: Manifest): void {
  if (bundleFormat.number === NEWEST_FORMAT) return;
  const open = bundleFormat.endsBehindBatch
    ? ''
    : ' In that format, events that were sealed late can be missing at the end of the range.';
  const of = `the bundle has format ${bundleFormat.number}: an older release wrote it, or somebody wants it to be judged by older rules`;
  const ask = 'an export of the same range by a newer release';
  if (bundleFormat.number < (options.leastFormat ?? 1)) {
    questions.push({ kind: 'format_older', message: of, ask });
  } else notices.push(`T${of.slice(1)}.${open} Ask for ${ask}.`);
}

/**
 * Verifies an evidence bundle. It needs only the bundle and what was given with it: no database, no
 * network, no settings.
 * @throws CannotVerifyError if something that was given to compare with cannot be understood;
 *   errors of reading the file
 */
export async function verifyBundle(source: Bundle, options: BundleOptions): Promise<Verification> {
  const inspection: Inspection = {
    ...{ source, options },
    findings: listFindings(options.limit),
    sayings: new Map<CheckName, Saying>(),
    notices: [],
    questions: [],
    isRepacked: false,
  };
  const manifest = await inspect(inspection);
  if (manifest) noteFormat(inspection, manifest);
  if (manifest && manifest.ownership.length > 0) {
    inspection.notices.push(
      `The server that made this bundle could undo the audit log: its database role ${manifest.ownership.join('; it ')}. Only a checkpoint that you were given earlier shows that nothing was rewritten.`,
    );
  }
  const { findings, sayings, notices, questions, isRepacked } = inspection;
  const isKeyGiven = options.keys !== undefined;
  return { findings, sayings, notices, questions, isKeyGiven, isRepacked, manifest };
}

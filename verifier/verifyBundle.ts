import { findSigner, parseNote } from '../server/audit/log/signedNote';
import type { Note } from '../server/audit/log/signedNote';
import { createBelievers } from '../server/audit/verify/believedKeys';
import type { Believers } from '../server/audit/verify/believedKeys';
import type { BundleSource } from './bundleSource';
import { checkContents } from './checkContents';
import { listFindings } from './findings';
import type { CheckName } from './findings';
import { checkFileNames } from './fileNames';
import { plural, say } from './inspection';
import type { BundleOptions, Inspection, Saying, Verification } from './inspection';
import { readManifest } from './manifest';
import type { Manifest } from './manifest';
import { decodeText, FormError } from './members';
import { readWhole } from './wholeFile';
import { ZipError } from './zipDirectory';
import { readZipFile, ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

const MOST_MANIFEST_BYTES = 4_194_304;

async function openZip(inspection: Inspection): Promise<PackedFile[] | undefined> {
  const { source, findings } = inspection;
  try {
    const files = await readZipFile(source);
    say(
      inspection,
      'zip',
      `${plural(files.length, 'file')} one after the other, nothing between, before or after them`,
    );
    return files;
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    findings.add({ kind: error.kind, file: error.file, message: error.message });
    return undefined;
  }
}

/** Reads a small file that has a finding of its own where it is not there. */
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
    return await readWhole(inspection.source, file, MOST_MANIFEST_BYTES);
  } catch (error) {
    if (!(error instanceof ZipDamage)) throw error;
    inspection.findings.add({ kind: 'zip_damaged', file: name, message: error.message });
    return undefined;
  }
}

function openManifest(inspection: Inspection, bytes: Buffer): Manifest | undefined {
  try {
    const manifest = readManifest(bytes);
    const { tenant, range, asOf } = manifest;
    const says = `of ${tenant.slug} (${tenant.id}), ${range.from} to ${range.to}, as of ${asOf}`;
    say(inspection, 'manifest', says);
    return manifest;
  } catch (error) {
    if (!(error instanceof FormError)) throw error;
    const { message } = error;
    inspection.findings.add({ kind: 'manifest_malformed', file: 'manifest.json', message });
    return undefined;
  }
}

/** @returns the note, if it is the signature of this manifest by the key that the manifest names */
function checkSignature(
  inspection: Inspection,
  manifest: Manifest,
  text: Buffer,
  signature: Buffer,
): Note | undefined {
  const { add } = inspection.findings;
  const file = 'manifest.sig';
  const note = parseNote(decodeText(signature) ?? '');
  if (!note) {
    const message =
      signature.length === 0
        ? 'it is empty: nobody has signed the manifest'
        : 'it is no signed note';
    add({
      kind: signature.length === 0 ? 'signature_missing' : 'signature_malformed',
      file,
      message,
    });
    return undefined;
  }
  if (note.text !== `${text.toString()}\n`) {
    const message = 'its text is not manifest.json and a line feed: another manifest was signed';
    add({ kind: 'signature_malformed', file, message });
    return note;
  }
  const isSigned = findSigner(note, [manifest.key]) !== undefined;
  if (isSigned) say(inspection, 'signature', `the manifest is signed by ${manifest.vkey}`);
  else {
    const message = `the manifest is not signed by the key that it names, ${manifest.vkey}, or was changed after that`;
    add({ kind: 'signature_wrong', file, message });
  }
  return note;
}

function checkKey(inspection: Inspection, manifest: Manifest, note: Note, believers: Believers) {
  if (!inspection.options.keys) {
    const says = `no key was given, and anybody can make one: compare ${manifest.vkey} with what you were given by another way, or give that`;
    say(inspection, 'key', says, '--');
    return;
  }
  const objection = believers.objectionTo(manifest.log.origin, note);
  if (objection === undefined) say(inspection, 'key', 'the key is one that was given');
  else inspection.findings.add({ kind: 'key_foreign', file: 'manifest.sig', message: objection });
}

async function inspect(inspection: Inspection): Promise<Manifest | undefined> {
  const files = await openZip(inspection);
  if (!files) return undefined;
  const text = await readNamed(inspection, files, 'manifest.json', {
    kind: 'manifest_missing',
    message: 'there is no manifest.json: this is no evidence bundle',
  });
  const signature = await readNamed(inspection, files, 'manifest.sig', {
    kind: 'signature_missing',
    message: 'there is no manifest.sig: nobody has signed this',
  });
  const manifest = text && openManifest(inspection, text);
  if (!text || !manifest) return undefined;
  const keys = inspection.options.keys ?? { everywhere: [], named: [manifest.key] };
  const believers = createBelievers(keys);
  const note = signature && checkSignature(inspection, manifest, text, signature);
  if (note) checkKey(inspection, manifest, note, believers);
  checkFileNames(files, manifest, inspection.findings.add);
  await checkContents(inspection, { files, manifest, believers });
  return manifest;
}

/**
 * Verifies an evidence bundle, with nothing but the bundle and what was given: no database, no network, no setting.
 * @throws CannotVerifyError where what was given to compare with cannot be understood; errors of reading the file
 */
export async function verifyBundle(
  source: BundleSource,
  options: BundleOptions,
): Promise<Verification> {
  const inspection: Inspection = {
    ...{ source, options },
    findings: listFindings(options.limit),
    sayings: new Map<CheckName, Saying>(),
    notices: [],
    questions: [],
  };
  const manifest = await inspect(inspection);
  if (manifest && manifest.ownership.length > 0) {
    inspection.notices.push(
      `The server that made this bundle could undo the audit log: its database role ${manifest.ownership.join('; it ')}. Only a checkpoint that was handed out earlier shows that nothing was rewritten.`,
    );
  }
  const { findings, sayings, notices, questions } = inspection;
  const isKeyGiven = options.keys !== undefined;
  return { findings, sayings, notices, questions, isKeyGiven, manifest };
}

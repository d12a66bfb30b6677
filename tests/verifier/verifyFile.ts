import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseKeys } from '@/tlog/believedKeys';
import { closeLater } from '@/tests/helpers/server/closing';
import { openFile } from '@/verifier/nodeSource';
import { outcomeOf } from '@/verifier/outcome';
import { describeAsText } from '@/verifier/bundleReport';
import { verifyBundle } from '@/verifier/verifyBundle';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
let files = 0;

/** @returns the path of a file with this content */
export function fileOf(content: Buffer | string, name = `${(files += 1)}.zip`): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const textOf = (proof: object | string): string =>
  typeof proof === 'string' ? proof : JSON.stringify(proof);

export interface Given {
  keys?: readonly string[];
  earlier?: readonly (Buffer | string)[];
  /** Texts are used unchanged, and objects as JSON. */
  proofs?: readonly (object | string)[];
  limit?: number;
  leastFormat?: number;
}

/**
 * Verifies a bundle in memory, as the command and the page do.
 * @returns the findings as `kind file row leaf`, the open questions, and the results of the checks
 */
export async function verify(
  content: Buffer,
  { keys, earlier = [], proofs = [], limit = 50, leastFormat }: Given = {},
) {
  const sources = [];
  const given = [content, ...earlier, ...proofs.map(textOf)];
  for (const one of given) sources.push(await openFile(fileOf(one)));
  const [source, ...more] = sources;
  if (!source) throw new Error('nothing was given');
  try {
    const parsed = keys && parseKeys(keys.join('\n'));
    const verification = await verifyBundle(source, {
      ...{ keys: parsed, limit, leastFormat },
      ...{ earlier: more.slice(0, earlier.length), proofs: more.slice(earlier.length) },
    });
    const found = verification.findings.shown().map(({ kind, file, row, leaf }) => {
      const parts = [kind, file, row === undefined ? undefined : `row ${row}`];
      return [...parts, leaf === undefined ? undefined : `leaf ${leaf}`].filter(Boolean).join(' ');
    });
    const open = verification.questions.map(({ kind }) => kind);
    const said = { outcome: outcomeOf(verification), text: describeAsText(verification) };
    return { verification, found, open, ...said };
  } finally {
    await Promise.all(sources.map((one) => one.close()));
  }
}

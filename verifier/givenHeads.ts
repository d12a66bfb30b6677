import { cutOffNotice } from '../tlog/noteFile';
import type { Believers } from '../tlog/believedKeys';
import { compareHeads, readEarlier } from './earlierBundleHeads';
import type { Comparable, GivenFile } from './earlierBundleHeads';
import { readGrowthProof } from './growthProofs';
import type { GrowthProof } from './growthProofs';
import { plural, say } from './inspection';
import type { Inspection } from './inspection';

/** Reads every given file of heads. @throws CannotVerifyError if one cannot be understood */
export async function readGiven(
  { options }: Inspection,
  origin: string,
  believers: Believers,
): Promise<GivenFile[]> {
  const files: GivenFile[] = [];
  for (const source of options.earlier ?? []) {
    files.push(await readEarlier(source, origin, believers));
  }
  return files;
}

/** Reads every given proof of consistency. @throws CannotVerifyError if one cannot be understood */
export async function readGrowthProofs({ options }: Inspection): Promise<GrowthProof[]> {
  const proofs: GrowthProof[] = [];
  for (const source of options.proofs ?? []) proofs.push(await readGrowthProof(source));
  return proofs;
}

/**
 * Compares all given heads with the bundle.
 * @param met the number of given bundles that leave no leaf out between them and this one
 */
export function compareGiven(
  inspection: Inspection,
  given: readonly GivenFile[],
  comparable: Comparable,
  met: number,
): void {
  const { notices, questions } = inspection;
  const sum = { same: 0, passed: 0, newer: 0, cutOff: 0 };
  for (const file of given) {
    const { same, passed, newer, question } = compareHeads(file, comparable);
    sum.same += same;
    sum.passed += passed;
    sum.newer += newer;
    sum.cutOff += file.cutOff;
    if (question) questions.push(question);
  }
  if (sum.passed > 0) {
    const newer = sum.newer === 0 ? '' : `; ${sum.newer} of them newer than the bundle`;
    notices.push(
      `This bundle cannot confirm or refute ${plural(sum.passed, 'given checkpoint')}${newer}.`,
    );
  }
  if (sum.cutOff > 0) notices.push(cutOffNotice(sum.cutOff));
  const none =
    'no earlier checkpoint was given: anyone with the signing key could have rewritten the whole log';
  if (given.length === 0) say(inspection, 'earlier', none, '--');
  else {
    const meets =
      met === 0 ? '' : `; no leaf is missing between ${plural(met, 'bundle')} and this one`;
    say(inspection, 'earlier', `${plural(sum.same, 'checkpoint')} of the same history${meets}`);
  }
}

import type { GivenKeys } from '../tlog/believedKeys';
import type { BundleSource } from './bundleSource';
import type { Bundle } from './container';
import type { BundleFindings, CheckName } from './bundleFindings';
import type { Manifest } from './readManifest';
import type { OpenQuestion } from './openQuestions';

export interface BundleOptions {
  /** The keys whose signatures are believed; if undefined, the bundle's own key is used. */
  readonly keys?: GivenKeys | undefined;
  /** Evidence from earlier: files of checkpoints, or earlier bundles. */
  readonly earlier?: readonly Bundle[] | undefined;
  /** Proofs of consistency, for heads that the bundle itself has no proof for. */
  readonly proofs?: readonly BundleSource[] | undefined;
  /** The oldest format of bundles that is accepted. By default, every format is. */
  readonly leastFormat?: number | undefined;
  /** How many findings are kept to be shown. All are counted. */
  readonly limit: number;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** The result of a check without findings; `--` means that it was not checked. */
export interface Saying {
  readonly mark: 'ok' | '--';
  readonly says: string;
}

export interface Verification {
  readonly findings: BundleFindings;
  readonly sayings: ReadonlyMap<CheckName, Saying>;
  /** Facts that the reader should see, and that are not errors. */
  readonly notices: readonly string[];
  /** Comparisons that could not be made, and what the reader can ask for to make them possible. */
  readonly questions: readonly OpenQuestion[];
  /** Whether a key was given. If not, the bundle's own key was used. */
  readonly isKeyGiven: boolean;
  /** Whether another program has packed or unpacked the files again. */
  readonly isRepacked: boolean;
  /** Undefined if there was none that could be used. */
  readonly manifest: Manifest | undefined;
}

/** The state of one verification while it runs. */
export interface Inspection {
  readonly source: Bundle;
  /** Whether another program has packed or unpacked the files again. */
  isRepacked: boolean;
  readonly options: BundleOptions;
  readonly findings: BundleFindings;
  readonly sayings: Map<CheckName, Saying>;
  readonly notices: string[];
  readonly questions: OpenQuestion[];
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** Records the result of a check for the case that it has no findings. */
export function say(
  { sayings }: Inspection,
  check: CheckName,
  says: string,
  mark: Saying['mark'] = 'ok',
): void {
  sayings.set(check, { mark, says });
}

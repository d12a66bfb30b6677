import type { GivenKeys } from '../server/audit/verify/believedKeys';
import type { BundleSource } from './bundleSource';
import type { Bundle } from './container';
import type { BundleFindings, CheckName } from './findings';
import type { Manifest } from './manifest';
import type { OpenQuestion } from './openQuestions';

export interface BundleOptions {
  /** Whose signatures are believed; undefined where the bundle's own key has to do. */
  readonly keys?: GivenKeys | undefined;
  /** What was handed out earlier: files of checkpoints, or earlier bundles. */
  readonly earlier?: readonly Bundle[] | undefined;
  /** Proofs of consistency, for heads that the bundle says nothing of. */
  readonly proofs?: readonly BundleSource[] | undefined;
  /** The oldest format of bundles that is accepted; every one unless it is given. */
  readonly leastFormat?: number | undefined;
  /** How many findings are kept to be shown; all are counted. */
  readonly limit: number;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** What a check has to say where it found nothing; `--` is what was not checked. */
export interface Saying {
  readonly mark: 'ok' | '--';
  readonly says: string;
}

export interface Verification {
  readonly findings: BundleFindings;
  readonly sayings: ReadonlyMap<CheckName, Saying>;
  /** What is worth knowing, and wrong with nothing. */
  readonly notices: readonly string[];
  /** What could not be compared, and what would make it comparable. */
  readonly questions: readonly OpenQuestion[];
  /** Whether a key was given to believe; else the bundle's own had to do. */
  readonly isKeyGiven: boolean;
  /** Whether another program has packed or unpacked what Gatehouse had packed. */
  readonly isRepacked: boolean;
  /** Undefined where there was none to go by. */
  readonly manifest: Manifest | undefined;
}

/** What is being put together while a bundle is looked at. */
export interface Inspection {
  readonly source: Bundle;
  /** Whether another program has packed or unpacked what Gatehouse had packed. */
  isRepacked: boolean;
  readonly options: BundleOptions;
  readonly findings: BundleFindings;
  readonly sayings: Map<CheckName, Saying>;
  readonly notices: string[];
  readonly questions: OpenQuestion[];
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** Notes what a check has to say where it finds nothing. */
export function say(
  { sayings }: Inspection,
  check: CheckName,
  says: string,
  mark: Saying['mark'] = 'ok',
): void {
  sayings.set(check, { mark, says });
}

import { lateNotice } from '../tlog/batchTimes';
import type { Believers } from '../tlog/believedKeys';
import { BundleFiles } from './listedFiles';
import { BundleViews } from './bundleViews';
import { CsvEvents } from './csvEvents';
import type { GivenFile } from './earlierBundleHeads';
import { EventFile } from './eventFile';
import type { RowDecoder } from './eventRow';
import { namesOf } from './fileNames';
import { compareGiven, readGiven, readGrowthProofs } from './givenHeads';
import type { GrowthProof } from './growthProofs';
import { checkCheckpoint, checkGrowth, readGrowth } from './heads';
import type { ProvenHead } from './heads';
import { plural, say } from './inspection';
import type { Inspection } from './inspection';
import { JsonEvents } from './jsonEvents';
import { LeafLines, LINE_BYTES } from './leafLines';
import type { Manifest } from './readManifest';
import { FormError } from './members';
import { OtherStretches } from './otherStretch';
import { readSurroundings, StretchTree } from './stretchTree';
import type { Surroundings } from './stretchTree';
import { walkStretch } from './walkStretch';
import type { WalkResult } from './walkStretch';
import { unpack } from './zipFile';
import type { PackedFile } from './zipFile';

export interface Contents {
  readonly files: readonly PackedFile[];
  readonly manifest: Manifest;
  readonly believers: Believers;
}

/**
 * Checks everything in a bundle except its manifest. It reads each file once, and a second time
 * only to find how a view differs.
 */
class ContentCheck {
  private readonly names: ReturnType<typeof namesOf>;
  private readonly files: BundleFiles;
  private readonly views: BundleViews;
  private growth: readonly ProvenHead[] = [];
  private hasGrowth = false;
  private given: GivenFile[] = [];
  private proofs: GrowthProof[] = [];
  private others: OtherStretches;
  private tree: StretchTree | undefined;
  private areEventsRead = false;

  constructor(
    private readonly inspection: Inspection,
    private readonly contents: Contents,
  ) {
    const { manifest } = contents;
    this.names = namesOf(manifest);
    this.files = new BundleFiles(inspection, contents.files, manifest.files);
    this.views = new BundleViews(inspection, manifest, this.files, () => this.decoder());
    this.others = new OtherStretches([], inspection.findings.add);
  }

  async run(): Promise<void> {
    const { manifest, believers } = this.contents;
    this.given = await readGiven(this.inspection, manifest.log.origin, believers);
    this.others = new OtherStretches(this.given, this.inspection.findings.add);
    this.proofs = await readGrowthProofs(this.inspection);
    const surroundings = await this.readProofs();
    const sizes = [
      ...this.growth.map(({ checkpoint }) => checkpoint.size),
      ...this.given.flatMap(({ heads }) => heads.map(({ size }) => size)),
      ...this.proofs.flatMap(({ from, to }) => [from.size, to.size]),
    ];
    this.tree = surroundings && new StretchTree(surroundings, sizes);
    await this.walk();
    if (this.areEventsRead) await this.views.checkTables();
    await this.files.measureRest();
    this.files.check();
    if (this.areEventsRead) await this.views.checkViews();
    this.checkHeads();
  }

  private decoder(): RowDecoder {
    const { format, tenant } = this.contents.manifest;
    return format === 'csv' ? new CsvEvents(tenant.id) : new JsonEvents(tenant.id);
  }

  /** Reads the small files that describe the tree. */
  private async readProofs(): Promise<Surroundings | undefined> {
    const { inspection, contents, names } = this;
    const { log } = contents.manifest;
    const { add } = inspection.findings;
    const checkpoint = await this.files.readSmall(names.checkpoint);
    if (checkpoint) {
      const says = `the head of ${plural(log.size, 'event')} is signed by a trusted key`;
      const own = `the head of ${plural(log.size, 'event')} is signed by the key that the manifest names`;
      say(inspection, 'checkpoint', inspection.options.keys ? says : own);
      checkCheckpoint(checkpoint, log, contents.believers, add);
    }
    const growth = await this.files.readSmall(names.consistency);
    try {
      if (growth) {
        this.growth = readGrowth(growth, log);
        this.hasGrowth = true;
      }
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      add({ kind: 'consistency_malformed', file: names.consistency, message: error.message });
    }
    const leaves = await this.files.readSmall(names.leaves);
    try {
      return leaves && this.readStretch(leaves);
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      add({ kind: 'leaves_malformed', file: names.leaves, message: error.message });
      return undefined;
    }
  }

  private readStretch(bytes: Buffer): Surroundings {
    const { log } = this.contents.manifest;
    const surroundings = readSurroundings(bytes);
    const { stretch } = surroundings;
    const isSame =
      stretch.origin === log.origin &&
      stretch.size === log.size &&
      stretch.root.equals(log.root) &&
      stretch.first === log.first &&
      stretch.last === log.last;
    if (!isSame)
      throw new FormError('it has another log, head or range of leaves than the manifest');
    return surroundings;
  }

  private openLines(): LeafLines | undefined {
    const file = this.files.find(this.names.lines);
    if (!file) return undefined;
    const { first, last } = this.contents.manifest.log;
    const count = last - first + 1;
    if (file.entry.size === count * LINE_BYTES) {
      return new LeafLines(unpack(file));
    }
    const message = `it should have ${plural(count, 'line')} of ${LINE_BYTES} bytes each, but has ${file.entry.size} bytes`;
    this.inspection.findings.add({ kind: 'leaves_malformed', file: this.names.lines, message });
    return undefined;
  }

  private openEvents(name: string, isWatched: boolean): EventFile | undefined {
    const file = this.files.find(name);
    if (!file) return undefined;
    return new EventFile(name, unpack(file), this.decoder(), (row, bytes) => {
      if (isWatched) this.views.watch(row, bytes);
    });
  }

  private async walk(): Promise<void> {
    const { inspection, contents, names, tree } = this;
    const population = this.openEvents(names.population, true);
    const edges = this.openEvents(names.edges, false);
    if (!population || !edges) {
      const message = 'a file of events is missing, so no event was compared with its leaf';
      inspection.findings.add({ kind: 'events_unread', message });
      return;
    }
    const lines = this.openLines();
    const { add: report } = inspection.findings;
    const { manifest } = contents;
    const onLeaf = inspection.options.onProgress;
    const result = await walkStretch({
      ...{ manifest, population, edges, lines, tree, report, onLeaf },
      others: this.others,
    });
    for (const [name, file] of [
      [names.population, population],
      [names.edges, edges],
      [names.lines, lines],
    ] as const) {
      if (file) this.files.note(name, await file.finish(), file.damage);
    }
    this.areEventsRead = population.failure === undefined && !population.damage;
    this.sayEvents(result);
    this.checkRoot(result);
  }

  private sayEvents({ inRange, beside, clockSteps, late }: WalkResult): void {
    const { inspection } = this;
    const { log, range, asOf } = this.contents.manifest;
    const count = plural(inRange + beside, 'event');
    const covered = `leaves ${log.first} to ${log.last}`;
    say(
      inspection,
      'events',
      `${count} of ${covered} as they were sealed, none missing, none twice`,
    );
    if (inspection.findings.countOf('events') === 0) {
      const within = `${plural(inRange, 'event')} from ${range.from} to ${range.to}`;
      say(inspection, 'range', `${within}, ${beside} next to them, and no gap for others`);
      const times =
        'no event claims a time that its log had already passed, or a time after it was sealed';
      say(inspection, 'times', times);
      this.views.say();
    }
    if (late > 0) inspection.notices.push(lateNotice(late));
    if (clockSteps > 0) {
      const steps = plural(clockSteps, 'time');
      inspection.notices.push(`The clock of the sealer was stepped back ${steps}.`);
    }
    if (asOf.slice(0, 10) <= range.to) {
      inspection.notices.push(
        `The range ends after the bundle was made, at ${asOf}: later events are not in the bundle.`,
      );
    }
  }

  private checkRoot({ isTreeWhole }: WalkResult): void {
    const { inspection, contents, names, tree } = this;
    const { log } = contents.manifest;
    if (!tree) return;
    if (!isTreeWhole) {
      say(inspection, 'tree', 'not computed: leaves are missing', '--');
      this.tree = undefined;
      return;
    }
    if (tree.end().root.equals(log.root)) {
      say(
        inspection,
        'tree',
        `the leaves and the hashes of the rest lead to the root of ${plural(log.size, 'event')}`,
      );
      return;
    }
    // If the final root is wrong, the roots at smaller sizes cannot be trusted either.
    this.tree = undefined;
    const message = `its leaves, with the hashes of the rest in ${names.leaves}, do not lead to the signed root`;
    inspection.findings.add({ kind: 'tree_root', file: names.lines, message });
  }

  private checkHeads(): void {
    const { inspection, contents, growth } = this;
    const { manifest, believers } = contents;
    const { log } = manifest;
    const { add: report } = inspection.findings;
    const rootAt = (size: number) => this.tree?.rootAt(size);
    const unknown = checkGrowth(growth, log, { believers, rootAt, report });
    if (unknown > 0) {
      inspection.notices.push(
        `${plural(unknown, 'head')} of earlier bundles in consistency.json: signed by a key that is not trusted. Also give the keys that were used earlier.`,
      );
    }
    if (this.hasGrowth) {
      const says =
        growth.length === 0
          ? 'no earlier bundle is named'
          : `the log contains the history of ${plural(growth.length, 'earlier bundle')}`;
      say(inspection, 'consistency', says, growth.length === 0 ? '--' : 'ok');
    }
    const { met, notices } = this.others.compare(manifest);
    inspection.notices.push(...notices);
    const comparable = { log, growth, proofs: this.proofs, rootAt, report };
    compareGiven(inspection, this.given, comparable, met);
  }
}

/** Checks everything in a bundle except its manifest and the signature of that. */
export const checkContents = (inspection: Inspection, contents: Contents): Promise<void> =>
  new ContentCheck(inspection, contents).run();

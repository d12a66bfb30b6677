import { originOf } from '../../../tlog/checkpoint';
import type { TreeNode } from '../../../tlog/merkleTree';
import type { Believers } from '../../../tlog/believedKeys';
import type { EarlierHeads } from './earlierLogHeads';
import type { Report } from './logFindings';
import { HeadChecker } from './headChecker';
import type { CheckpointRow as SignedHead, KeptHead } from './headChecker';
import { LogChecker } from './logChecker';
import type { LeafRow as SealedLeaf, StepNotice } from './logChecker';
import { NodeChecker } from './nodeChecker';
import type { RowStream } from './rowStream';

interface OfLog {
  readonly log_id: string;
}

export interface TreeRow extends OfLog {
  readonly tenant_id: string | null;
  readonly size: number;
  readonly peaks: Buffer;
  readonly checkpoint_size: number;
}

export interface NodeRow extends TreeNode, OfLog {}
export type LeafRow = SealedLeaf & OfLog;
export type CheckpointRow = SignedHead & OfLog;

/** The streams of everything about the logs, each ordered by log and then as a tree grows. */
export interface LogStreams {
  trees: RowStream<TreeRow>;
  leaves: RowStream<LeafRow>;
  nodes: RowStream<NodeRow>;
  checkpoints: RowStream<CheckpointRow>;
}

/** Sealed events that no checkpoint covers. The log itself does not show whether a checkpoint will follow. */
export interface Uncovered {
  readonly log: string;
  readonly from: number;
  readonly to: number;
}

export interface Walk {
  logs: number;
  events: number;
  nodes: number;
  checkpoints: number;
  uncompared: number;
  /** The first time that a clock was set back, and how often one was. */
  step: (StepNotice & { readonly log: string }) | undefined;
  steps: number;
  /** How many events were sealed more than five minutes after they occurred. */
  late: number;
  /** The first leaf whose sealing time is in the future. */
  ahead: { readonly log: string; readonly leaf: number; readonly at: string } | undefined;
  /** The first few, and the number of all. */
  uncovered: Uncovered[];
  uncoveredLogs: number;
  /**
   * Logs for which no key was given, so that their checkpoints prove nothing: the first, their number, and the number
   * of their checkpoints.
   */
  unvouched: string | undefined;
  unvouchedLogs: number;
  unvouchedCheckpoints: number;
}

export interface WalkContext {
  readonly report: Report;
  readonly now: string;
  readonly believers: Believers;
  readonly earlier: EarlierHeads;
  readonly onProgress?: ((walk: Walk) => void) | undefined;
}

const MOST_UNCOVERED = 1000;
const PROGRESS_EVERY = 4096;

/** Runs the checkers of one log side by side. Heads of a size are compared at the moment the tree has that size. */
class OneLog {
  private readonly log: LogChecker;
  private readonly heads: HeadChecker;
  private readonly nodes: NodeChecker;
  private readonly tree: TreeRow | undefined;
  private readonly kept: readonly KeptHead[];
  private keptAt = 0;

  constructor(
    private readonly id: string,
    private readonly streams: LogStreams,
    private readonly context: WalkContext,
    private readonly walk: Walk,
  ) {
    const { report, believers, earlier } = context;
    this.tree = streams.trees.head;
    // Without a tree row, the log's first event shows whether it is the log of no tenant.
    const tenant = this.tree ? this.tree.tenant_id : (streams.leaves.head?.tenant_id ?? id);
    this.log = new LogChecker(id, tenant === null ? null : id, context);
    this.heads = new HeadChecker(id, believers, report);
    this.nodes = new NodeChecker(id, streams.nodes, report);
    this.kept = earlier.take(id);
  }

  async check(): Promise<void> {
    const { leaves, trees } = this.streams;
    await this.compareHeads(false);
    for (let row = leaves.head; row; row = leaves.head) {
      for (const made of this.log.leaf(row)) await this.nodes.expect(made);
      const wait = this.compareHeads(false);
      if (wait) await wait;
      this.walk.events += 1;
      if (this.walk.events % PROGRESS_EVERY === 0) this.context.onProgress?.(this.walk);
      const next = leaves.advance();
      if (next) await next;
    }
    const { tree } = this;
    this.log.end(tree && { tenantId: tree.tenant_id, size: tree.size, peaks: tree.peaks });
    while (trees.head) await trees.advance();
    await this.nodes.end(!this.log.broken);
    await this.compareHeads(true);
    this.heads.end();
    this.sumUp();
  }

  /** @param all whether the tree has ended, so that the remaining heads are beyond it */
  private compareHeads(all: boolean): Promise<void> | undefined {
    const { log, heads, kept } = this;
    for (;;) {
      const head = kept[this.keptAt];
      if (!head || (!all && head.size > log.size)) break;
      heads.kept(head, log);
      this.keptAt += 1;
    }
    const { head } = this.streams.checkpoints;
    return head && (all || head.size <= log.size) ? this.compareCheckpoints(all) : undefined;
  }

  private async compareCheckpoints(all: boolean): Promise<void> {
    const { checkpoints } = this.streams;
    for (let row = checkpoints.head; row; row = checkpoints.head) {
      if (!all && row.size > this.log.size) return;
      this.heads.checkpoint(row, this.log);
      const next = checkpoints.advance();
      if (next) await next;
    }
  }

  private sumUp(): void {
    const { id, log, heads, tree, walk } = this;
    walk.logs += 1;
    walk.nodes += this.nodes.compared;
    walk.checkpoints += heads.checkpoints;
    if (!this.context.believers.hasKeyOf(originOf(id))) {
      walk.unvouched ??= id;
      walk.unvouchedLogs += 1;
      walk.unvouchedCheckpoints += heads.checkpoints;
    }
    walk.uncompared += heads.uncompared;
    walk.steps += log.steps;
    walk.late += log.late;
    if (log.ahead) walk.ahead ??= { log: id, ...log.ahead };
    if (log.step) walk.step ??= { log: id, ...log.step };
    if (tree && tree.checkpoint_size > heads.covered) {
      const message = `the newest checkpoint, of size ${tree.checkpoint_size}, is missing, although audit_trees records it`;
      this.context.report({ kind: 'checkpoint_missing', log: id, message });
    } else if (log.size > heads.covered && !log.broken) {
      walk.uncoveredLogs += 1;
      const uncovered = { log: id, from: heads.covered, to: log.size - 1 };
      if (walk.uncovered.length < MOST_UNCOVERED) walk.uncovered.push(uncovered);
    }
  }
}

const firstOf = (ids: readonly (string | undefined)[]): string | undefined =>
  ids.reduce((least, id) => (id !== undefined && (least === undefined || id < least) ? id : least));

/** Checks every log that occurs in any of the streams. It keeps no rows of a log once the next one begins. */
export async function walkLogs(streams: LogStreams, context: WalkContext): Promise<Walk> {
  const { trees, leaves, nodes, checkpoints } = streams;
  const walk: Walk = {
    logs: 0,
    events: 0,
    nodes: 0,
    checkpoints: 0,
    uncompared: 0,
    step: undefined,
    steps: 0,
    late: 0,
    ahead: undefined,
    uncovered: [],
    uncoveredLogs: 0,
    unvouched: undefined,
    unvouchedLogs: 0,
    unvouchedCheckpoints: 0,
  };
  const all = [trees, leaves, nodes, checkpoints];
  for (;;) {
    const id = firstOf(all.map(({ nextLog }) => nextLog));
    if (id === undefined) return walk;
    for (const stream of all) stream.log = id;
    await new OneLog(id, streams, context, walk).check();
  }
}

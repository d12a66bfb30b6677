import { LEVEL_STEP } from '../../../tlog/merkleTree';
import type { TreeNode } from '../../../tlog/merkleTree';
import type { Report } from './logFindings';

const endOf = ({ level, index }: TreeNode): number => (index + 1) * 2 ** level;

/** The order in which a growing tree completes its subtrees. Stored nodes must come in this order. */
const comesBefore = (one: TreeNode, other: TreeNode): boolean =>
  endOf(one) < endOf(other) || (endOf(one) === endOf(other) && one.level < other.level);

/** Reads the stored hashes of one log, one after the other. */
export interface NodeSource {
  readonly head: TreeNode | undefined;
  advance(): Promise<void> | undefined;
}

/** Compares the stored roots of subtrees with those that the leaves give: none may be missing, wrong or extra. */
export class NodeChecker {
  compared = 0;

  constructor(
    private readonly log: string,
    private readonly source: NodeSource,
    private readonly report: Report,
  ) {}

  /** Compares one subtree. @param made the subtree that the tree has just completed */
  async expect(made: TreeNode): Promise<void> {
    while (this.source.head && comesBefore(this.source.head, made)) await this.drop();
    const { head } = this.source;
    this.compared += 1;
    if (head?.level !== made.level || head.index !== made.index) {
      this.reportNode('node_missing', made, 'is missing in audit_nodes');
      return;
    }
    if (!head.hash.equals(made.hash))
      this.reportNode('node_wrong', made, 'does not match their hash');
    await this.source.advance();
  }

  /**
   * Ends the comparison. Nodes that remain belong to no leaves.
   * @param known false if the tree could not grow to its end, so that the remaining nodes cannot be judged
   */
  async end(known: boolean): Promise<void> {
    while (this.source.head) {
      if (known) await this.drop();
      else await this.source.advance();
    }
  }

  private async drop(): Promise<void> {
    const { head } = this.source;
    if (head)
      this.reportNode(
        'node_extra',
        head,
        'belongs to leaves that do not exist, or is stored twice',
      );
    await this.source.advance();
  }

  private reportNode(
    kind: 'node_missing' | 'node_wrong' | 'node_extra',
    node: TreeNode,
    what: string,
  ) {
    const { log, report } = this;
    const first = node.index * 2 ** node.level;
    const known = node.level >= LEVEL_STEP && Number.isSafeInteger(endOf(node));
    const leaves = known ? ` of leaves ${first} to ${endOf(node) - 1}` : '';
    const message = `the stored hash${leaves} (level ${node.level}, node ${node.index}) ${what}`;
    report({ kind, log, leaf: known ? first : undefined, message });
  }
}

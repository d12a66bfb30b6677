interface Counted {
  readonly kind: string;
}

/**
 * Counts all findings and keeps a limited number of each kind. A million findings of one kind therefore neither hide
 * another kind nor fill the memory.
 */
export class FindingList<Finding extends Counted, Check extends string> {
  private readonly kept = new Map<Finding['kind'], { order: number; finding: Finding }[]>();
  private readonly counts = new Map<Finding['kind'], number>();
  total = 0;

  /** @param checkOf returns the check that a kind is reported under */
  constructor(
    private readonly limit: number,
    private readonly checkOf: (kind: Finding['kind']) => Check,
  ) {}

  readonly add = (finding: Finding): void => {
    const { kind } = finding;
    const order = this.total;
    this.total += 1;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const kept = this.kept.get(kind) ?? [];
    if (kept.length < this.limit) kept.push({ order, finding });
    this.kept.set(kind, kept);
  };

  /** Returns the number of findings of each kind. */
  count(): Partial<Record<Finding['kind'], number>> {
    return Object.fromEntries(this.counts) as Partial<Record<Finding['kind'], number>>;
  }

  countOf(check: Check): number {
    let sum = 0;
    for (const [kind, count] of this.counts) if (this.checkOf(kind) === check) sum += count;
    return sum;
  }

  /**
   * Returns at most `limit` findings in the order in which they were found: at least one of every kind, as long as
   * there is room.
   */
  shown(): Finding[] {
    const lists = [...this.kept.values()];
    const ranked = lists.flatMap((list) => list.map((entry, rank) => ({ ...entry, rank })));
    return ranked
      .sort((a, b) => a.rank - b.rank || a.order - b.order)
      .slice(0, this.limit)
      .sort((a, b) => a.order - b.order)
      .map(({ finding }) => finding);
  }
}

/**
 * Rows of all logs, ordered by log, read page by page: one page is looked at while the next is on its way. What is at hand is
 * had without waiting, since a million awaits would cost more than what they wait for.
 */
export class RowStream<Row extends { readonly log_id: string }> {
  private page: readonly Row[] = [];
  private at = 0;
  private coming: Promise<readonly Row[]>;
  /** The log that is looked at. */
  log = '';

  private constructor(private readonly read: () => Promise<readonly Row[]>) {
    this.coming = this.ask();
  }

  /** @param read gives the next page; an empty one at the end */
  static async open<Row extends { readonly log_id: string }>(
    read: () => Promise<readonly Row[]>,
  ): Promise<RowStream<Row>> {
    const stream = new RowStream(read);
    await stream.turn();
    return stream;
  }

  /** The next row of the log that is looked at. */
  get head(): Row | undefined {
    const row = this.page[this.at];
    return row?.log_id === this.log ? row : undefined;
  }

  /** The log of the next row, whichever is looked at. */
  get nextLog(): string | undefined {
    return this.page[this.at]?.log_id;
  }

  /** Goes on to the next row. @returns what to wait for, where it is not at hand */
  advance(): Promise<void> | undefined {
    this.at += 1;
    return this.at < this.page.length || this.page.length === 0 ? undefined : this.turn();
  }

  private async turn(): Promise<void> {
    this.page = await this.coming;
    this.at = 0;
    if (this.page.length > 0) this.coming = this.ask();
  }

  private ask(): Promise<readonly Row[]> {
    const coming = this.read();
    // Waited for later, if at all: until then nobody is to be told that nobody has caught it.
    coming.catch(() => undefined);
    return coming;
  }
}

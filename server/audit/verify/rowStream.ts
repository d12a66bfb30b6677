/**
 * Streams the rows of all logs, ordered by log, page by page: the next page is fetched while one is processed. Rows
 * at hand are returned without a promise, because a million awaits would cost more than the reading.
 */
export class RowStream<Row extends { readonly log_id: string }> {
  private page: readonly Row[] = [];
  private at = 0;
  private coming: Promise<readonly Row[]>;
  /** The log whose rows `head` returns. */
  log = '';

  private constructor(private readonly read: () => Promise<readonly Row[]>) {
    this.coming = this.ask();
  }

  /** Opens a stream. @param read returns the next page; an empty one at the end */
  static async open<Row extends { readonly log_id: string }>(
    read: () => Promise<readonly Row[]>,
  ): Promise<RowStream<Row>> {
    const stream = new RowStream(read);
    await stream.turn();
    return stream;
  }

  /** Returns the next row, if it belongs to the current log. */
  get head(): Row | undefined {
    const row = this.page[this.at];
    return row?.log_id === this.log ? row : undefined;
  }

  /** Returns the log of the next row, whichever log is current. */
  get nextLog(): string | undefined {
    return this.page[this.at]?.log_id;
  }

  /** Goes on to the next row. @returns a promise to wait for, if the next page is needed */
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
    // The page is awaited later, if at all. Until then, a failure must not count as an unhandled rejection.
    coming.catch(() => undefined);
    return coming;
  }
}

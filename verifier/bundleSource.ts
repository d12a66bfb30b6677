/**
 * A folder that a bundle was unpacked into: the bundle's files, and the names of everything else in
 * it.
 */
export interface BundleFolder {
  /** The name under which the user chose it. */
  readonly name: string;
  readonly files: readonly BundleSource[];
  /** Names of entries that cannot be a file of a bundle. */
  readonly others: readonly string[];
}

/** A file that is being examined. It can be on a disk or in a browser. */
export interface BundleSource {
  /** The name under which the user chose it. */
  readonly name: string;
  readonly size: number;
  /** @throws Error if the file became shorter since it was opened */
  read(at: number, length: number): Promise<Buffer>;
  stream(at: number, length: number): AsyncIterable<Buffer>;
  /**
   * Inflates the compressed data that starts at `at` (RFC 1951).
   * @throws Error if the data is damaged, or if it ends before its last byte
   */
  inflate(at: number, length: number): AsyncIterable<Buffer>;
}

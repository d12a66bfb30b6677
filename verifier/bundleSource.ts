/** A bundle that was unpacked: its files, and what else is in the folder. */
export interface BundleFolder {
  /** As whoever chose it knows it. */
  readonly name: string;
  readonly files: readonly BundleSource[];
  /** Names of what is no file that a bundle has. */
  readonly others: readonly string[];
}

/** A file that is looked at, wherever it is: on a disk, or in a browser. */
export interface BundleSource {
  /** As whoever chose it knows it. */
  readonly name: string;
  readonly size: number;
  /** @throws Error where the file is shorter than it was */
  read(at: number, length: number): Promise<Buffer>;
  stream(at: number, length: number): AsyncIterable<Buffer>;
  /**
   * Inflates what is compressed from `at` on (RFC 1951).
   * @throws Error where that is damaged, or does not end with its last byte
   */
  inflate(at: number, length: number): AsyncIterable<Buffer>;
}

/** Whether this node is stopping, for everything that behaves differently during a stop. */
export interface Drain {
  begun(): boolean;
  /** @param react called at once when the node begins to stop */
  onBegin(react: () => void): void;
  /**
   * Marks the node as stopping.
   * @param delayMs in milliseconds
   * @returns a promise that resolves after the delay, or as soon as {@link Drain.hurry} is called
   */
  begin(delayMs: number): Promise<void>;
  /** Ends the delay early. */
  hurry(): void;
}

export function createDrain(): Drain {
  const reactions: (() => void)[] = [];
  let begun = false;
  let endDelay = () => {};
  return {
    begun: () => begun,
    onBegin: (react) => void reactions.push(react),
    begin(delayMs) {
      begun = true;
      for (const react of reactions) react();
      return new Promise((resolve) => {
        const delay = setTimeout(resolve, delayMs);
        endDelay = () => {
          clearTimeout(delay);
          resolve();
        };
      });
    },
    hurry: () => endDelay(),
  };
}

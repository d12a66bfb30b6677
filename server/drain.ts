/** Whether this node is stopping, for all that has to behave otherwise while it does. */
export interface Drain {
  begun(): boolean;
  /** @param react runs at once when the node begins to stop */
  onBegin(react: () => void): void;
  /**
   * From now on the node says that it is stopping.
   * @returns a promise that is kept after the delay, or as soon as {@link Drain.hurry} is called
   */
  begin(delayMs: number): Promise<void>;
  /** Ends the delay: somebody is waiting. */
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

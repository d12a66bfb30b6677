/** A map that forgets the entry that was not used for the longest time when it is full. */
export class BoundedMap<Value> {
  private readonly entries = new Map<string, Value>();

  /**
   * @param most how many entries it holds
   * @param onForget called with each entry that leaves the map
   */
  constructor(
    private readonly most: number,
    private readonly onForget: (key: string, value: Value) => void = () => undefined,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  /** Returns the value, and makes it the one that was used last. */
  get(key: string): Value | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.most) return;
    const [oldest] = this.entries.keys();
    if (oldest !== undefined) this.delete(oldest);
  }

  delete(key: string): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.onForget(key, value);
  }

  clear(): void {
    for (const key of [...this.entries.keys()]) this.delete(key);
  }
}

/**
 * Returns whether a parsed body is nested at most that deep. Code that walks a body of unknown depth
 * could overflow the stack, `JSON.stringify` included, while `JSON.parse` takes any depth.
 */
export function isShallow(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== 'object') return true;
  return levels > 0 && Object.values(value).every((member) => isShallow(member, levels - 1));
}

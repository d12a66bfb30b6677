/** Optimal string alignment distance: inserted, missing, other and swapped neighbouring letters count one each. */
function distanceOf(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? 0;
      const same = one[i - 1] === other[j - 1];
      const least = Math.min(at(1, 0) + 1, (row[j - 1] ?? 0) + 1, at(1, 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = swapped ? Math.min(least, at(2, 2) + 1) : least;
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}

/** Longer than any name that is worth comparing: the work grows with the square. */
const LONGEST = 80;

/**
 * Finds the names that somebody may have meant.
 * @param most how many letters may differ
 * @returns the names within that distance, the nearest first
 */
export function nearestNames(typed: string, names: readonly string[], most: number): string[] {
  if (typed.length > LONGEST) return [];
  return names
    .map((name) => ({ name, distance: distanceOf(typed, name) }))
    .filter(({ distance }) => distance <= most)
    .sort((one, other) => one.distance - other.distance)
    .map(({ name }) => name);
}

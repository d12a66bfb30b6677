/**
 * Computes the optimal string alignment distance: each inserted, missing, different or swapped
 * neighbouring letter counts as one.
 * @param most the computation stops once the distance must be greater, because few names are near
 * @returns the distance, or a number above `most` if it is greater
 */
function distanceOf(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return most + 1;
  let before: number[] = [];
  let above = Array.from({ length: other.length + 1 }, (_, column) => column);
  let leastAbove = 0;
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    let leastHere = i;
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      const [up = 0, left = 0, diagonal = 0] = [above[j], row[j - 1], above[j - 1]];
      let least = Math.min(up + 1, left + 1, diagonal + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      if (swapped) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
      leastHere = Math.min(leastHere, least);
    }
    // A swap reads back two rows, so both must be too far.
    if (Math.min(leastHere, leastAbove) > most) return most + 1;
    [before, above, leastAbove] = [above, row, leastHere];
  }
  return above[other.length] ?? 0;
}

/** Returns a bit for each letter that occurs in the text. */
function lettersOf(text: string): number {
  let letters = 0;
  for (let i = 0; i < text.length; i += 1) letters |= 1 << (text.charCodeAt(i) & 31);
  return letters;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/**
 * Names longer than this are not compared, because the work grows with the square of the length.
 */
const LONGEST = 80;

/**
 * Finds the names that a user may have meant.
 * @param most how many letters may differ
 * @returns the names within that distance, nearest first
 */
export function nearestNames(typed: string, names: readonly string[], most: number): string[] {
  if (typed.length > LONGEST) return [];
  const letters = lettersOf(typed);
  // Each difference adds at most one letter and removes at most one. This comparison is fast, and
  // rules out nearly all names.
  const mayBeNear = (name: string) => {
    const others = lettersOf(name);
    return countBits(letters & ~others) <= most && countBits(others & ~letters) <= most;
  };
  return names
    .filter(mayBeNear)
    .map((name) => ({ name, distance: distanceOf(typed, name, most) }))
    .filter(({ distance }) => distance <= most)
    .sort((one, other) => one.distance - other.distance)
    .map(({ name }) => name);
}

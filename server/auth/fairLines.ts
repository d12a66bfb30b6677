import type { AppError } from '../errors';

/** A login that waits for a place, with what it shares with others. */
export interface Waiting {
  /** The address block from which it came. */
  block: string;
  /** The domain of its e-mail address. */
  domain: string;
  start: () => void;
  refuse: (error: AppError) => void;
}

type Place = Pick<Waiting, 'block' | 'domain'>;

/** Waiting logins in the order of their turns. */
export interface FairLines {
  size(): number;
  add(one: Waiting): void;
  /** Takes one out that does not wait any longer. */
  remove(one: Waiting): void;
  /** Removes and returns the login whose turn it is. */
  next(): Waiting | undefined;
  /**
   * Removes and returns the login that has the longest to wait, or undefined if that is the
   * newcomer.
   */
  dropLast(newcomer?: Place): Waiting | undefined;
}

const keysOf = ({ block, domain }: Place) => [`block ${block}`, `domain ${domain}`] as const;

/**
 * Returns the index of the entry with the longest to wait. An entry waits for the others of its
 * block that came before it. In its domain it waits for all that are not further back in their own
 * blocks. So in each domain one entry waits longest, and it waits for all others of the domain.
 */
function findLast(places: readonly Place[]): number {
  const blocks = new Map<string, number>();
  const domains = new Map<string, { size: number; last: number; inBlock: number }>();
  places.forEach(({ block, domain }, at) => {
    const inBlock = (blocks.get(block) ?? 0) + 1;
    blocks.set(block, inBlock);
    const found = domains.get(domain) ?? { size: 0, last: at, inBlock: 0 };
    const isLast = inBlock >= found.inBlock;
    const last = isLast ? { last: at, inBlock } : found;
    domains.set(domain, { ...last, size: found.size + 1 });
  });
  let longest = { wait: 0, at: -1 };
  for (const { size, last, inBlock } of domains.values()) {
    const wait = Math.max(size, inBlock);
    const isLonger = wait > longest.wait || (wait === longest.wait && last > longest.at);
    if (isLonger) longest = { wait, at: last };
  }
  return longest.at;
}

/**
 * Creates lines in which address blocks take turns, and the domains of e-mail addresses too. Of two
 * entries the one whose block and domain have both had fewer turns comes first. So a flood from one
 * block delays only itself, whatever domains it names, and a flood on the accounts of one domain
 * delays only that domain, whatever blocks it comes from.
 */
export function createFairLines(): FairLines {
  const waiting: Waiting[] = [];
  /** The turns that a block or a domain has had; without an entry, as many as the last one. */
  const turns = new Map<string, number>();
  let current = 0;
  const turnOf = (key: string) => Math.max(turns.get(key) ?? 0, current);

  function rank(place: Place): { most: number; sum: number } {
    const [block, domain] = keysOf(place).map(turnOf) as [number, number];
    return { most: Math.max(block, domain), sum: block + domain };
  }

  function noteTurn(one: Waiting): void {
    const { most } = rank(one);
    for (const key of keysOf(one)) turns.set(key, turnOf(key) + 1);
    current = most;
    for (const [key, turn] of turns) if (turn <= current) turns.delete(key);
  }

  return {
    size: () => waiting.length,
    add: (one) => void waiting.push(one),
    remove(one) {
      const at = waiting.indexOf(one);
      if (at >= 0) waiting.splice(at, 1);
    },
    next() {
      let best: { at: number; most: number; sum: number } | undefined;
      waiting.forEach((one, at) => {
        const { most, sum } = rank(one);
        const isBefore = !best || most < best.most || (most === best.most && sum < best.sum);
        if (isBefore) best = { at, most, sum };
      });
      const [one] = best ? waiting.splice(best.at, 1) : [];
      if (one) noteTurn(one);
      if (waiting.length === 0) {
        turns.clear();
        current = 0;
      }
      return one;
    },
    dropLast(newcomer) {
      const at = findLast(newcomer ? [...waiting, newcomer] : waiting);
      return at < 0 ? undefined : waiting.splice(at, 1)[0];
    },
  };
}

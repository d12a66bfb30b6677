import { nearestNames } from '../../tlog/nearestNames';

/** First words that other programs use too, so two words have to match. */
const SHARED = new Set(
  'ACCESS ALLOW CHALLENGES HASH HEADERS IP KEEP LOG LOGIN LOST METRICS MIGRATE MIGRATED NODE PASSWORD PERMISSIONS PUBLIC REQUEST RISK SESSIONS STEP TOKEN TRUST'.split(
    ' ',
  ),
);

/**
 * Returns the beginnings of names that belong to Gatehouse only: at most one for each known
 * setting.
 */
function prefixesOf(known: readonly string[]): string[] {
  return known.flatMap((name) => {
    const words = name.split('_');
    const count = SHARED.has(words[0] ?? '') ? 2 : 1;
    return words.length > count ? [`${words.slice(0, count).join('_')}_`] : [];
  });
}

/**
 * Returns whether Kubernetes set this variable: it adds the address of every service, such as one
 * called `gatehouse` or `smtp`, to each environment.
 */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP)(_[A-Z]+)?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value ?? '');
}

/** Returns `REQUEST_TIMEOUT_` for `REQUEST_TIMEOUT_SEC`; empty if that would be a single word. */
const stemOf = (name: string): string => /^[A-Z0-9]+_.*_(?=[A-Z0-9]+$)/.exec(name)?.[0] ?? '';

/**
 * Returns whether all words of `few` occur in `many`, in their order, and the first word is the
 * same.
 */
function isShorterFormOf(few: string, many: string): boolean {
  const [first, ...rest] = few.split('_');
  const [begin, ...others] = many.split('_');
  if (rest.length === 0 || first !== begin) return false;
  let from = 0;
  return rest.every((word) => {
    from = others.indexOf(word, from) + 1;
    return from > 0;
  });
}

/**
 * Returns whether two names differ only in the ending of the last word, such as `TRUST_PROXIES` and
 * `TRUST_PROXY`.
 */
function isAnotherFormOf(name: string, other: string): boolean {
  const stem = /^(.+_[A-Z0-9]{4,}?)(Y|IES|S)?$/;
  const [, one] = stem.exec(name) ?? [];
  return one !== undefined && one === stem.exec(other)?.[1];
}

/**
 * Finds the one setting that differs by a single missing or added word; undefined if several match.
 */
function sameButForOneWord(name: string, known: readonly string[]): string | undefined {
  const words = name.split('_').length;
  const begin = `${name.split('_', 1).join()}_`;
  const near = known.filter((one) => {
    if (!one.startsWith(begin)) return false;
    const more = one.split('_').length - words;
    if (more === 0) return isAnotherFormOf(name, one);
    if (more === 1) return one.startsWith(`${name}_`) && words > 1;
    return more === -1 && isShorterFormOf(one, name);
  });
  return near.length === 1 ? near[0] : undefined;
}

/** Finds the intended setting, if one is near enough to exclude the others. */
function nearestTo(name: string, known: readonly string[]): string | undefined {
  // A short name is also near to many names of other programs.
  const most = name.length >= 8 ? 2 : name.length >= 6 ? 1 : 0;
  const [nearest] = nearestNames(name.toUpperCase(), known, most);
  const stem = stemOf(name);
  if (nearest !== undefined) return nearest;
  const hasStem = (one: string) => one.startsWith(stem) && stemOf(one) === stem;
  const stemmed = stem === '' ? undefined : known.find(hasStem);
  return stemmed ?? sameButForOneWord(name, known);
}

/**
 * Finds settings that look like ours but are not: misspelt ones, and those of another release. If
 * they were ignored silently, an operator could believe that they apply.
 * @param known every name that is read
 * @returns a sentence for each, without its value, which may be a secret
 */
export function findUnknownSettings(env: NodeJS.ProcessEnv, known: readonly string[]): string[] {
  const prefixes = prefixesOf(known);
  return Object.keys(env)
    .filter((name) => !known.includes(name) && !isServiceLink(name, env[name]))
    .filter((name) => /^[A-Za-z0-9_]{1,80}$/.test(name))
    .flatMap((name) => {
      const meant = nearestTo(name, known);
      if (meant !== undefined) return [`${name} is an unknown setting; did you mean ${meant}?`];
      const ours = prefixes.some((prefix) => name.startsWith(prefix));
      return ours ? [`${name} is an unknown setting.`] : [];
    })
    .sort();
}

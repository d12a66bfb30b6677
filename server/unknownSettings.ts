import { nearestNames } from './nearestNames';

/** First words that other programs use too: two words have to agree. */
const SHARED = new Set(
  'ACCESS ALLOW CHALLENGES HASH HEADERS IP KEEP LOG LOGIN LOST METRICS MIGRATE MIGRATED NODE PASSWORD PUBLIC REQUEST RISK SESSIONS STEP TOKEN TRUST'.split(
    ' ',
  ),
);

/** How names begin that are meant for Gatehouse, or for nobody: each known setting gives one, or none. */
function prefixesOf(known: readonly string[]): string[] {
  return known.flatMap((name) => {
    const words = name.split('_');
    const count = SHARED.has(words[0] ?? '') ? 2 : 1;
    return words.length > count ? [`${words.slice(0, count).join('_')}_`] : [];
  });
}

/** Kubernetes puts the addresses of a service called `gatehouse`, or `smtp`, into each environment. */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP)(_[A-Z]+)?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value ?? '');
}

/** `REQUEST_TIMEOUT_` of `REQUEST_TIMEOUT_SEC`; empty if that would be one word alone. */
const stemOf = (name: string): string => /^[A-Z0-9]+_.*_(?=[A-Z0-9]+$)/.exec(name)?.[0] ?? '';

/** All words of `few` are among those of `many`, in their order, and the first is the same. */
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

/** `TRUST_PROXIES` for `TRUST_PROXY`: alike but for the end of the last word. */
function isAnotherFormOf(name: string, other: string): boolean {
  const stem = /^(.+_[A-Z0-9]{4,}?)(Y|IES|S)?$/;
  const [, one] = stem.exec(name) ?? [];
  return one !== undefined && one === stem.exec(other)?.[1];
}

/** The one setting of which a word was left away, or to which one was added; undefined if it may be several. */
function sameButForOneWord(name: string, known: readonly string[]): string | undefined {
  const words = name.split('_').length;
  const near = known.filter((one) => {
    const more = one.split('_').length - words;
    if (more === 0) return isAnotherFormOf(name, one);
    if (more === 1) return one.startsWith(`${name}_`) && words > 1;
    return more === -1 && isShorterFormOf(one, name);
  });
  return near.length === 1 ? near[0] : undefined;
}

/** The setting that was meant, if one is near enough to be sure that none other was. */
function nearestTo(name: string, known: readonly string[]): string | undefined {
  // A short name is near to much that is somebody else's.
  const most = name.length >= 8 ? 2 : name.length >= 6 ? 1 : 0;
  const [nearest] = nearestNames(name.toUpperCase(), known, most);
  const stem = stemOf(name);
  if (nearest !== undefined) return nearest;
  const stemmed = stem === '' ? undefined : known.find((one) => stemOf(one) === stem);
  return stemmed ?? sameButForOneWord(name, known);
}

/**
 * Finds settings that look like ours and are none: misspelt ones, and those of another release. Silence would let
 * somebody believe that they count.
 * @param known every name that is read
 * @returns a plain sentence for each, without its value, which may be a secret
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

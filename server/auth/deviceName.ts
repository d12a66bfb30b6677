import Bowser from 'bowser';

/** Longer agents are cut: the browser and the system are named at the beginning. */
const MOST_AGENT = 300;

const BROWSERS: ReadonlySet<string> = new Set(Object.values(Bowser.BROWSER_MAP));
const SYSTEMS: ReadonlySet<string> = new Set(Object.values(Bowser.OS_MAP));

/**
 * Names a device for people, such as "Firefox on Windows". The client chooses its user agent, so
 * only names of a closed list are returned, and never a part of the text.
 * @returns null if neither the browser nor the system is known
 */
export function nameDevice(userAgent: string | null): string | null {
  const agent = userAgent?.slice(0, MOST_AGENT).trim();
  if (!agent) return null;
  const { browser, os } = Bowser.parse(agent);
  const known = (names: ReadonlySet<string>, name: string | undefined) =>
    name !== undefined && names.has(name) ? name : undefined;
  const [name, system] = [known(BROWSERS, browser.name), known(SYSTEMS, os.name)];
  if (name === undefined || system === undefined) return name ?? system ?? null;
  return `${name} on ${system}`;
}

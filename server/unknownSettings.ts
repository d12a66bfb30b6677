import { nearestNames } from './nearestNames';

/** Names that begin like this are meant for Gatehouse, or for nobody. */
const OURS =
  /^(GATEHOUSE|DATABASE|SCHEMA|JWT|TOKEN_HASH|ENCRYPTION|EVIDENCE|ACCESS_TOKEN|REFRESH|STEP_UP|WEBAUTHN|ARGON2|ANOMALY|GEOIP|LOGIN_FAILURES|SMTP|MAIL|AUDIT|SESSIONS_KEEP|CHALLENGES_KEEP|RISK_DECISIONS)_/;

/** Kubernetes puts the addresses of a service called `gatehouse`, or `smtp`, into each environment. */
function isServiceLink(name: string, value: string | undefined): boolean {
  if (/_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP)(_[A-Z]+)?$/.test(name)) return true;
  return name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value ?? '');
}

/** `REQUEST_TIMEOUT_` of `REQUEST_TIMEOUT_SEC`; empty if that would be one word alone. */
const stemOf = (name: string): string => /^[A-Z0-9]+_.*_(?=[A-Z0-9]+$)/.exec(name)?.[0] ?? '';

/** The setting that was meant, if one is near enough to be sure that none other was. */
function nearestTo(name: string, known: readonly string[]): string | undefined {
  // A short name is near to much that is somebody else's.
  const most = name.length >= 8 ? 2 : name.length >= 6 ? 1 : 0;
  const [nearest] = nearestNames(name.toUpperCase(), known, most);
  const stem = stemOf(name);
  return nearest ?? (stem === '' ? undefined : known.find((one) => stemOf(one) === stem));
}

/**
 * Finds settings that look like ours and are none: misspelt ones, and those of another release. Silence would let
 * somebody believe that they count.
 * @param known every name that is read
 * @returns a plain sentence for each, without its value, which may be a secret
 */
export function findUnknownSettings(env: NodeJS.ProcessEnv, known: readonly string[]): string[] {
  return Object.keys(env)
    .filter((name) => !known.includes(name) && !isServiceLink(name, env[name]))
    .filter((name) => /^[A-Za-z0-9_]{1,80}$/.test(name))
    .flatMap((name) => {
      const meant = nearestTo(name, known);
      if (meant !== undefined) {
        return [`${name} is no setting of Gatehouse, and nothing reads it: ${meant} is one.`];
      }
      return OURS.test(name) ? [`${name} is no setting of Gatehouse, and nothing reads it.`] : [];
    })
    .sort();
}

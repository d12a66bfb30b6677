import { isIP } from 'node:net';
import { parseUrl } from './parseUrl';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { splitNames, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of passkeys. */
export const webauthnSettings = {
  WEBAUTHN_RP_ID: text(),
  WEBAUTHN_ORIGINS: text(),
};

/** `PORT` is the server's own port, for the default outside production. */
type WebauthnEnvironment = SettingsOf<typeof webauthnSettings> & Mode & { PORT: number };

/** The relying party of passkeys, and its origins. */
export interface WebauthnSettings {
  /** The domain to which passkeys belong (WebAuthn Level 3 5.1.2, "RP ID"). */
  rpId: string;
  /** The origins of pages that may use them: scheme, host and port, as browsers report them. */
  origins: readonly string[];
}

const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Returns whether one party can own the name. A server cannot know offline which suffixes are
 * public.
 */
const mayBelongToOne = (rpId: string) =>
  rpId === 'localhost' || (DOMAIN.test(rpId) && rpId.includes('.') && isIP(rpId) === 0);

function findOriginProblem(origin: string, rpId: string): string | undefined {
  const url = parseUrl(origin);
  if (url?.origin !== origin) {
    return `WEBAUTHN_ORIGINS must list origins such as https://app.example.com: ${JSON.stringify(origin)} is not an origin.`;
  }
  if (url.protocol !== 'https:' && url.hostname !== 'localhost') {
    return `WEBAUTHN_ORIGINS must use https, except for localhost: ${origin}.`;
  }
  if (url.hostname !== rpId && !url.hostname.endsWith(`.${rpId}`)) {
    return `WEBAUTHN_RP_ID must be the host of each of WEBAUTHN_ORIGINS, or a parent domain of it: ${origin} is not within ${rpId}.`;
  }
  return undefined;
}

/**
 * Finds faults in the settings (WebAuthn Level 3 5.1.3: the RP ID is a registrable suffix of the
 * origin's host).
 * @returns one sentence for each problem
 */
export function findWebauthnProblems(env: WebauthnEnvironment): string[] {
  const { WEBAUTHN_RP_ID: rpId } = env;
  const origins = splitNames(env.WEBAUTHN_ORIGINS);
  if ((rpId === undefined) !== (origins.length === 0)) {
    return ['WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS belong together: set both, or neither.'];
  }
  if (rpId === undefined) return [];
  if (!mayBelongToOne(rpId)) {
    return ['WEBAUTHN_RP_ID must be a domain of yours in lower case, such as example.com.'];
  }
  return origins.flatMap((origin) => findOriginProblem(origin, rpId) ?? []);
}

/**
 * Reads the effective settings.
 * @returns null in production if they are not set; passkeys are not offered then
 */
export function readWebauthnSettings(env: WebauthnEnvironment): WebauthnSettings | null {
  const { WEBAUTHN_RP_ID: rpId } = env;
  const origins = splitNames(env.WEBAUTHN_ORIGINS);
  if (rpId !== undefined) return Object.freeze({ rpId, origins: Object.freeze(origins) });
  if (isProduction(env)) return null;
  // An IP address cannot be an RP ID, so 127.0.0.1 would not work.
  const origin = new URL(`http://localhost:${env.PORT}`).origin;
  return Object.freeze({ rpId: 'localhost', origins: Object.freeze([origin]) });
}

import { isIP } from 'node:net';

/** Who asks for passkeys, and where from. */
export interface WebauthnSettings {
  /** The domain that passkeys belong to (WebAuthn Level 3 5.1.2, "RP ID"). */
  rpId: string;
  /** Where a page may use them: scheme, host and port, as browsers report it. */
  origins: readonly string[];
}

interface Given {
  rpId: string | undefined;
  origins: readonly string[];
  production: boolean;
  /** The server's own, for the default outside production. */
  port: number;
}

const DOMAIN =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A name that one party owns; which suffixes are public is more than a server can know offline. */
const mayBelongToOne = (rpId: string) =>
  rpId === 'localhost' || (DOMAIN.test(rpId) && rpId.includes('.') && isIP(rpId) === 0);

function findOriginProblem(origin: string, rpId: string): string | undefined {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url?.origin !== origin) {
    return `WEBAUTHN_ORIGINS must hold origins such as https://app.example.com, and ${JSON.stringify(origin)} is none.`;
  }
  if (url.protocol !== 'https:' && url.hostname !== 'localhost') {
    return `WEBAUTHN_ORIGINS must use https outside localhost: ${origin}.`;
  }
  if (url.hostname !== rpId && !url.hostname.endsWith(`.${rpId}`)) {
    return `WEBAUTHN_RP_ID must be the host of each of WEBAUTHN_ORIGINS, or a domain above it: ${origin} is not below ${rpId}.`;
  }
  return undefined;
}

/**
 * What is wrong with the settings (WebAuthn Level 3 5.1.3: the RP ID is a registrable suffix of the origin's host).
 * @returns one plain sentence for each problem
 */
export function findWebauthnProblems({ rpId, origins }: Given): string[] {
  if ((rpId === undefined) !== (origins.length === 0)) {
    return ['WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS belong together: set both, or neither.'];
  }
  if (rpId === undefined) return [];
  if (!mayBelongToOne(rpId)) {
    return ['WEBAUTHN_RP_ID must be a domain in lower case that is yours, such as example.com.'];
  }
  return origins.flatMap((origin) => findOriginProblem(origin, rpId) ?? []);
}

/**
 * The settings as they hold.
 * @returns null where there are none in production: then nobody is offered a passkey
 */
export function readWebauthn({ rpId, origins, production, port }: Given): WebauthnSettings | null {
  if (rpId !== undefined) return Object.freeze({ rpId, origins: Object.freeze([...origins]) });
  if (production) return null;
  // An address is no RP ID, so that 127.0.0.1 could not use them.
  const origin = new URL(`http://localhost:${port}`).origin;
  return Object.freeze({ rpId: 'localhost', origins: Object.freeze([origin]) });
}

import type { Pool } from 'pg';
import { clientIp } from '../../context';
import type { RequestContext } from '../../context';
import type { PreparedStatement } from '../../db';
import { databaseFault } from '../../db/pgErrors';
import { runWithin } from '../../db/runWithin';
import type { SecurityDeps } from '../deps';
import type { KeyRing } from '../../keyRing';
import { addressBlock } from './attempts';

/** Whether the device and the network of a login are familiar. */
export interface Familiarity {
  /** This person has signed in on this device. */
  device: boolean;
  /** This person has signed in from this address block. */
  network: boolean;
  /** Anybody has signed in from this address block. */
  place: boolean;
}

/**
 * What a tenant's provider has taught does not count: the password works in every tenant, and a
 * provider must not get its owner's tries.
 *
 * Runs the same look-ups for an unknown e-mail address, with a user id that does not exist, so that
 * the time reveals nothing.
 */
const FAMILIAR: PreparedStatement = {
  name: 'familiar_login',
  bypass: 'risk',
  text: `SELECT
    EXISTS (SELECT 1 FROM known_devices d WHERE d.user_id = who.id AND NOT d.by_provider AND d.device_hash = ANY($2::text[])) AS device,
    EXISTS (SELECT 1 FROM known_addresses a WHERE a.user_id = who.id AND NOT a.by_provider AND a.address_hash = ANY($3::text[])) AS network,
    EXISTS (SELECT 1 FROM known_addresses a WHERE a.address_hash = ANY($3::text[])) AS place
    FROM (SELECT coalesce((SELECT id FROM users WHERE email = $1),
      '00000000-0000-0000-0000-000000000000') AS id) AS who`,
};

/** Returns the keyed hash under which an address block is stored. */
export const knownAddressHash = (keys: KeyRing, ip: string | null): string =>
  keys.hash('attempt-subject', 'known-address', addressBlock(ip)).toString('hex');

/** Returns this hash under each accepted key, so that a key rotation makes nobody unfamiliar. */
const knownAddressHashes = (keys: KeyRing, ip: string): string[] =>
  keys
    .hashAll('attempt-subject', 'known-address', addressBlock(ip))
    .map((hash) => hash.toString('hex'));

const NOTHING: Familiarity = { device: false, network: false, place: false };

/**
 * Looks up whether a login comes from a familiar device or network. Like scoring, it must not break
 * a login: if its tables are missing or cannot be read within the scorer's deadline, nothing is
 * familiar, and the login goes on.
 */
export async function lookForFamiliar(
  deps: Pick<SecurityDeps, 'config' | 'keys' | 'logger'> & { pool: Pool },
  ctx: RequestContext,
  login: { email: string; cookieDeviceHashes: readonly string[] },
): Promise<Familiarity> {
  const run = runWithin(deps.pool, deps.config.anomalyTimeoutMs);
  try {
    const ip = clientIp(ctx);
    // Without the client's address, no network is familiar.
    const addresses = ip === null ? [] : knownAddressHashes(deps.keys, ip);
    const asked = [login.email, [...login.cookieDeviceHashes], addresses];
    const [found] = await run<Familiarity & Record<string, boolean>>(FAMILIAR, asked);
    return found ?? NOTHING;
  } catch (error) {
    if (databaseFault(error) === undefined) throw error;
    deps.logger.warn({ err: error }, 'known devices and networks could not be read');
    return NOTHING;
  }
}

import type { Pool } from 'pg';
import { clientIp } from '../context';
import type { RequestContext } from '../context';
import { databaseFault } from '../db/pgErrors';
import { runWithin } from '../db/runWithin';
import type { Deps } from '../deps';
import type { KeyRing } from '../keyRing';
import { addressBlock } from './attempts';

/** What is known of the device and the network that a login comes from. */
export interface Familiarity {
  /** This person has signed in on this device. */
  device: boolean;
  /** This person has signed in from this address block. */
  network: boolean;
  /** Anybody has signed in from this address block. */
  place: boolean;
}

/** All look-ups are made for an address that nobody has, too: the person is then nobody. */
const FAMILIAR = {
  name: 'familiar_login',
  text: `SELECT
    EXISTS (SELECT 1 FROM known_devices d WHERE d.user_id = who.id AND d.device_hash = $2) AS device,
    EXISTS (SELECT 1 FROM known_addresses a WHERE a.user_id = who.id AND a.address_hash = $3) AS network,
    EXISTS (SELECT 1 FROM known_addresses a WHERE a.address_hash = $3) AS place
    FROM (SELECT coalesce((SELECT id FROM users WHERE email = $1),
      '00000000-0000-0000-0000-000000000000') AS id) AS who`,
};

/** Under which keyed hash an address block is known. */
export const knownAddressHash = (keys: KeyRing, ip: string | null): string =>
  keys.hash('attempt-subject', 'known-address', addressBlock(ip)).toString('hex');

const NOTHING: Familiarity = { device: false, network: false, place: false };

/**
 * Looks up whether a login comes from somewhere familiar. It is advice, as scoring is: if its tables are missing or cannot
 * be read within the scorer's deadline, nothing is familiar, and the login goes on.
 */
export async function lookForFamiliar(
  deps: Pick<Deps, 'config' | 'keys' | 'logger'> & { pool: Pool },
  ctx: RequestContext,
  login: { email: string; cookieDeviceHash: string | null },
): Promise<Familiarity> {
  const run = runWithin(deps.pool, deps.config.anomalyTimeoutMs);
  const device = login.cookieDeviceHash ?? '';
  try {
    const ip = clientIp(ctx);
    // A proxy that does not say who connects is nobody's network.
    const address = ip === null ? '' : knownAddressHash(deps.keys, ip);
    const asked = [login.email, device, address];
    const [found] = await run<Familiarity & Record<string, boolean>>(FAMILIAR, asked);
    return found ?? NOTHING;
  } catch (error) {
    if (databaseFault(error) === undefined) throw error;
    deps.logger.warn({ err: error }, 'known devices and networks could not be looked up');
    return NOTHING;
  }
}

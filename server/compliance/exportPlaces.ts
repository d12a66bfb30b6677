import type { ComplianceDeps } from './deps';
import { AppError } from '../errors';
import { SECOND_MS } from '../durations';
import { lockTenantPlace } from './exportPlaceStore';

/** The limit for a tenant on all nodes together. */
export const MOST_OF_TENANT = 2;
/** The limit for a node. Each export holds a connection of the pool, memory and a processor for as long as it lasts. */
export const MOST_ON_NODE = 4;

interface Running {
  readonly tenantId: string;
  readonly since: number;
}

interface NodePlaces {
  readonly running: Set<Running>;
  /** How long the last export took, in milliseconds: the best guess for the next one. */
  lastTookMs: number;
}

type PlaceDeps = Pick<ComplianceDeps, 'config' | 'pool'>;

const nodes = new WeakMap<PlaceDeps['pool'], NodePlaces>();

function placesOf({ pool }: PlaceDeps): NodePlaces {
  const known = nodes.get(pool);
  if (known) return known;
  const places = { running: new Set<Running>(), lastTookMs: 5000 };
  nodes.set(pool, places);
  return places;
}

/**
 * Guesses when the oldest running export will end, in seconds from now: by the duration of the last export, and after
 * that by how long it has run already.
 */
function guessWaitSec(places: NodePlaces, now: number): number {
  const since = Math.min(now, ...[...places.running].map((one) => one.since));
  const taken = now - since;
  const leftMs = taken < places.lastTookMs ? places.lastTookMs - taken : taken / 4;
  return Math.min(60, Math.max(1, Math.ceil(leftMs / SECOND_MS)));
}

function busy(places: NodePlaces): AppError {
  return new AppError('EXPORT_BUSY', {
    detail: 'Wait for a running export to end.',
    headers: { 'retry-after': String(guessWaitSec(places, Date.now())) },
  });
}

/**
 * Takes a place for an export. A tenant has two places on all nodes together, and never the last place of a node that
 * has several, so that no tenant keeps another from exporting. One connection of the pool always stays free for
 * others.
 * @returns a function that gives the place back; call it once
 * @throws AppError EXPORT_BUSY with Retry-After; the driver's error if the database is unreachable
 */
export async function takeExportPlace(
  deps: PlaceDeps,
  tenantId: string,
): Promise<() => Promise<void>> {
  const { databasePoolSize } = deps.config;
  const places = placesOf(deps);
  const onNode = Math.min(MOST_ON_NODE, databasePoolSize - 1);
  const ofTenant = Math.min(MOST_OF_TENANT, Math.max(1, onNode - 1));
  const own = [...places.running].filter((one) => one.tenantId === tenantId).length;
  if (places.running.size >= onNode || own >= ofTenant) throw busy(places);
  const mine: Running = { tenantId, since: Date.now() };
  places.running.add(mine);
  try {
    const giveBack = await lockTenantPlace(deps.config, tenantId, MOST_OF_TENANT);
    if (!giveBack) throw busy(places);
    return async () => {
      places.running.delete(mine);
      places.lastTookMs = Date.now() - mine.since;
      await giveBack();
    };
  } catch (error) {
    places.running.delete(mine);
    throw error;
  }
}

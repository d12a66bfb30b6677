import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { Reader } from 'maxmind';
import { readAddress } from '../../http/clientAddress';
import type { AsnResponse, CountryResponse, Response } from 'maxmind';
import { COUNTRY_CENTROIDS } from './countryCentroids';

export interface GeoLookup {
  /** @returns the ISO 3166-1 alpha-2 code, or null for an address that belongs to no country */
  country(ip: string | null): string | null;
  /**
   * @returns the number of the autonomous system, or null if it is unknown or no database is
   * configured
   */
  asn(ip: string | null): number | null;
}

/** The packaged CC0 database: country signals work without any set-up or account. */
const packagedDatabase = () =>
  require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb');

interface PackagedCountry {
  country_code?: string;
}

/**
 * Converts an address to the form used in databases: for an IPv4 client on an IPv6 socket the
 * server sees ::ffff:a.b.c.d, which they do not contain.
 * @returns null for loopback, private and link-local addresses, which have no location
 */
function publicAddress(ip: string | null): string | null {
  const address = readAddress(ip);
  return address !== null && ipaddr.parse(address).range() === 'unicast' ? address : null;
}

/**
 * Opens a database at start-up, because an unreadable one would otherwise break each login.
 * @throws Error with a message for the operator
 */
function openDatabase<T extends Response>(setting: string, path: string): Reader<T> {
  try {
    return new Reader<T>(readFileSync(path));
  } catch (cause) {
    throw new Error(`${setting}: ${path} is not a database in MaxMind's format.`, { cause });
  }
}

function find<T extends Response>(database: Reader<T>, address: string): T | null {
  // An IPv4 database would read the first half of an IPv6 address as an IPv4 address.
  if (database.metadata.ipVersion === 4 && address.includes(':')) return null;
  return database.get(address);
}

/**
 * Opens databases in MaxMind's format; the packaged one at first use.
 * @param countryPath an `.mmdb` file of countries; the packaged one if undefined
 * @param asnPath an `.mmdb` file of autonomous systems; none if undefined
 * @throws Error with a message for the operator if a file is not such a database
 */
export function createGeoLookup(countryPath: string | undefined, asnPath?: string): GeoLookup {
  const open = <T extends Response>(setting: string, path: string | undefined) =>
    path === undefined ? undefined : openDatabase<T>(setting, path);
  let countries = open<CountryResponse>('GEOIP_DB', countryPath);
  const systems = open<AsnResponse>('GEOIP_ASN_DB', asnPath);
  return {
    country(ip) {
      const address = publicAddress(ip);
      if (address === null) return null;
      countries ??= openDatabase<CountryResponse>('GEOIP_DB', packagedDatabase());
      const found: (CountryResponse & PackagedCountry) | null = find(countries, address);
      const code = found?.country?.iso_code ?? found?.country_code;
      return code !== undefined && /^[A-Z]{2}$/.test(code) ? code : null;
    },
    asn(ip) {
      const address = systems === undefined ? null : publicAddress(ip);
      if (systems === undefined || address === null) return null;
      return find(systems, address)?.autonomous_system_number ?? null;
    },
  };
}

const EARTH_RADIUS_KM = 6371;
const toRadians = (degrees: number) => (degrees * Math.PI) / 180;

/**
 * Computes the great-circle distance between the centroids of two countries (haversine).
 * @returns kilometres, or null if the centroid of either is unknown
 */
export function distanceBetweenCountries(from: string, to: string): number | null {
  const a = COUNTRY_CENTROIDS[from];
  const b = COUNTRY_CENTROIDS[to];
  if (!a || !b) return null;
  const [lat1, lon1, lat2, lon2] = [a[0], a[1], b[0], b[1]].map(toRadians) as [
    number,
    number,
    number,
    number,
  ];
  const h =
    Math.sin((lat2 - lat1) / 2) ** 2 +
    Math.cos(lat1) * Math.cos(lat2) * Math.sin((lon2 - lon1) / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(h));
}

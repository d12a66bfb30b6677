import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { Reader } from 'maxmind';
import type { AsnResponse, CountryResponse } from 'maxmind';
import { COUNTRY_CENTROIDS } from './countryCentroids';

export interface GeoLookup {
  /** @returns the ISO 3166-1 alpha-2 code, or null for an address that no country owns */
  country(ip: string | null): string | null;
  /** @returns the number of the autonomous system, or null where no database knows */
  asn(ip: string | null): number | null;
}

/** The packaged CC0 database: country signals work with no set-up and no account anywhere. */
const packagedDatabase = () =>
  require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb');

interface PackagedCountry {
  country_code?: string;
}

/**
 * The form in which databases hold an address: an IPv4 client of an IPv6 socket is ::ffff:a.b.c.d, which they do not.
 * @returns null for loopback, private and link-local addresses, which say nothing of a place
 */
function publicAddress(ip: string | null): string | null {
  if (ip === null || !ipaddr.isValid(ip)) return null;
  const address = ipaddr.process(ip);
  return address.range() === 'unicast' ? address.toString() : null;
}

/**
 * Opens databases in MaxMind's format, each at first use.
 * @param countryPath an `.mmdb` file of countries; the packaged one where undefined
 * @param asnPath an `.mmdb` file of autonomous systems; none where undefined
 */
export function createGeoLookup(countryPath: string | undefined, asnPath?: string): GeoLookup {
  let countries: Reader<CountryResponse> | undefined;
  let systems: Reader<AsnResponse> | undefined;
  return {
    country(ip) {
      const address = publicAddress(ip);
      if (address === null) return null;
      countries ??= new Reader<CountryResponse>(readFileSync(countryPath ?? packagedDatabase()));
      const found: (CountryResponse & PackagedCountry) | null = countries.get(address);
      const code = found?.country?.iso_code ?? found?.country_code;
      return code !== undefined && /^[A-Z]{2}$/.test(code) ? code : null;
    },
    asn(ip) {
      const address = asnPath === undefined ? null : publicAddress(ip);
      if (asnPath === undefined || address === null) return null;
      systems ??= new Reader<AsnResponse>(readFileSync(asnPath));
      return systems.get(address)?.autonomous_system_number ?? null;
    },
  };
}

const EARTH_RADIUS_KM = 6371;
const toRadians = (degrees: number) => (degrees * Math.PI) / 180;

/**
 * Great-circle distance between the middles of two countries (haversine).
 * @returns kilometres, or null where one of them has no known middle
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

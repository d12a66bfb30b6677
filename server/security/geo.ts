import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { Reader } from 'maxmind';
import type { CountryResponse } from 'maxmind';
import { COUNTRY_CENTROIDS } from './countryCentroids';

export interface GeoLookup {
  /** @returns the ISO 3166-1 alpha-2 code, or null for an address that no country owns */
  country(ip: string | null): string | null;
}

/** The packaged CC0 database: country signals work with no set-up and no account anywhere. */
const packagedDatabase = () =>
  require.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb');

interface PackagedCountry {
  country_code?: string;
}

/**
 * Opens a country database in MaxMind's format, at first use.
 * @param path an `.mmdb` file; the packaged one where undefined
 */
export function createGeoLookup(path: string | undefined): GeoLookup {
  let reader: Reader<CountryResponse> | undefined;
  return {
    country(ip) {
      if (ip === null || !ipaddr.isValid(ip)) return null;
      // Unwrapped: an IPv4 client of an IPv6 socket is ::ffff:a.b.c.d, which the database does not hold.
      const address = ipaddr.process(ip);
      // Loopback, private and link-local addresses say nothing of a place.
      if (address.range() !== 'unicast') return null;
      reader ??= new Reader<CountryResponse>(readFileSync(path ?? packagedDatabase()));
      const found: (CountryResponse & PackagedCountry) | null = reader.get(address.toString());
      const code = found?.country?.iso_code ?? found?.country_code;
      return code !== undefined && /^[A-Z]{2}$/.test(code) ? code : null;
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

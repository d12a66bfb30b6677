import type { Signal } from './signal';

/**
 * A country that no login has succeeded from.
 *
 * False positives: a journey, a VPN, an address block that changed hands. Alone it asks for nothing; with a new device
 * it asks for a second proof, and after that proof the country is known.
 */
export const newCountry: Signal = {
  code: 'NEW_COUNTRY',
  weight: 35,
  doubtsPlace: true,
  look({ country }, { countries }) {
    if (countries.size === 0 || country === null || countries.has(country)) return null;
    return { country, knownCountries: countries.size };
  },
};

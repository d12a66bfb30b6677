import type { Signal } from './signal';

/**
 * No login has succeeded from this country before.
 * False positives: a journey, a VPN, an address block with a new owner. Alone it does not ask for a
 * proof; with a new device it does, and after that proof the country is known.
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

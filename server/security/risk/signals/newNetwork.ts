import type { Signal } from './signal';

/**
 * No login has succeeded from this network before (an autonomous system if the operator has a
 * database of them, otherwise an address prefix). A new country is always a new network too, so
 * NEW_COUNTRY covers it.
 * False positives: a hotel, a phone that leaves the office's Wi-Fi. It adds to other signals, and
 * never asks for a proof alone.
 */
export const newNetwork: Signal = {
  code: 'NEW_NETWORK',
  weight: 10,
  doubtsPlace: true,
  unless: ['NEW_COUNTRY'],
  look({ network }, { networks }) {
    if (networks.size === 0 || network === null || networks.has(network)) return null;
    return { network, knownNetworks: networks.size };
  },
};

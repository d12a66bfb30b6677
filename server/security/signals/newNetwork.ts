import type { Signal } from './signal';

/**
 * A network (an autonomous system where the operator has a database of them, else an address prefix) that no login has
 * succeeded from. A new country is always a new network, and has said so already.
 *
 * False positives: a hotel, a phone that leaves the office's wireless. It tips a balance, and never asks by itself.
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

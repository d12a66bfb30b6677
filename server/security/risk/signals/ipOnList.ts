import type { Signal } from './signal';

/**
 * The address is on one of the operator's lists: hosting providers, Tor exits, addresses of former
 * attacks.
 * False positives: they depend on the list. With a new device it asks for a second proof.
 */
export const ipOnList: Signal = {
  code: 'IP_ON_LIST',
  weight: 35,
  doubtsPlace: true,
  look: ({ lists }) => (lists.length > 0 ? { lists: lists.join(', ') } : null),
};

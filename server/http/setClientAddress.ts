import type { Request } from 'express';
import { readAddress } from './clientAddress';
import { findClient } from '../config/trustProxy';
import type { ClientAddress, TrustsProxy } from '../config/trustProxy';

const found = new WeakMap<Request, ClientAddress>();

/**
 * Returns the trust function that `createApp` set. Express would call it with the raw header
 * entries; here it gets parsed addresses.
 */
const trustOf = (req: Request): TrustsProxy => {
  const trusts = req.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  return (address, hop) => trusts(address ?? '', hop);
};

/**
 * Returns the client's address, from the connection and the headers of trusted proxies. Express's
 * own `req.ip` compares the header's entries as text, so a port or an IPv4-mapped form would hide a
 * proxy.
 */
export function clientAddressOf(req: Request): ClientAddress {
  const before = found.get(req);
  if (before) return before;
  const header = req.headers['x-forwarded-for'] ?? [];
  const entries = (typeof header === 'string' ? header : header.join(',')).split(',').reverse();
  const forwarded = header.length === 0 ? [] : entries.map(readAddress);
  const client = findClient([readAddress(req.socket.remoteAddress), ...forwarded], trustOf(req));
  found.set(req, client);
  return client;
}

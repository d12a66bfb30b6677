import type { Request } from 'express';
import { readAddress } from '../clientAddress';
import { findClient } from '../trustProxy';
import type { ClientAddress, TrustsProxy } from '../trustProxy';

const found = new WeakMap<Request, ClientAddress>();

/** Express asks with what stands in the header; it keeps the function that `createApp` gave it. */
const trustOf = (req: Request): TrustsProxy => {
  const trusts = req.app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  return (address, hop) => trusts(address ?? '', hop);
};

/**
 * The client's address, read from the connection and from what trusted proxies say. Express's own `req.ip` compares the
 * header's entries as they are written, so that a port or a mapped form would hide a proxy.
 */
export function clientAddressOf(req: Request): ClientAddress {
  const before = found.get(req);
  if (before) return before;
  const header = req.headers['x-forwarded-for'] ?? [];
  const entries = (typeof header === 'string' ? header : header.join(',')).split(',').reverse();
  const told = header.length === 0 ? [] : entries.map(readAddress);
  const client = findClient([readAddress(req.socket.remoteAddress), ...told], trustOf(req));
  found.set(req, client);
  return client;
}

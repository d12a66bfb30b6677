import { promises } from 'node:dns';
import { isNativeError } from 'node:util/types';
import { SECOND_MS } from '../durations';

/** The outcome of a look: no TXT record; others, but not this one; or DNS gave no answer. */
export type TxtFinding = 'found' | 'missing' | 'differs' | 'unreachable';

/** Looks for a TXT record with exactly this value. */
export type TxtLookup = (record: { name: string; value: string }) => Promise<TxtFinding>;

/** For each server and try. */
const TIMEOUT_MS = 2 * SECOND_MS;
const TRIES = 2;
/** For all servers and tries together. */
const DEADLINE_MS = 6 * SECOND_MS;

/** The answers of DNS that there is no such record. Every other error says nothing about it. */
const GONE: readonly unknown[] = ['ENODATA', 'ENOTFOUND'];

const codeOf = (error: unknown): unknown =>
  isNativeError(error) && 'code' in error ? error.code : undefined;

/**
 * Creates the look for TXT records. It asks DNS each time and keeps nothing.
 * @param servers the addresses of the DNS servers; those of the system if it is empty
 */
export const createTxtLookup =
  (servers: readonly string[]): TxtLookup =>
  async ({ name, value }) => {
    const resolver = new promises.Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (servers.length > 0) resolver.setServers(servers);
    const deadline = setTimeout(() => resolver.cancel(), DEADLINE_MS);
    try {
      const records = await resolver.resolveTxt(name);
      // DNS cuts a record into parts of at most 255 bytes.
      return records.some((parts) => parts.join('') === value) ? 'found' : 'differs';
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return GONE.includes(codeOf(error)) ? 'missing' : 'unreachable';
    } finally {
      clearTimeout(deadline);
    }
  };

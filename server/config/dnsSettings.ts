import { isIP } from 'node:net';
import { splitNames, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of DNS questions. */
export const dnsSettings = {
  DNS_SERVERS: text(),
};

type DnsEnvironment = SettingsOf<typeof dnsSettings>;

/** An address, or an address and a port; one of IPv6 has brackets if a port follows. */
const SERVER = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+|[0-9a-f:.]+?))(?::(\d{1,5}))?$/i;
const MOST_PORT = 65_535;

/** Node aborts the process for port 0, and silently uses another port for one that is too large. */
function isServer(entry: string): boolean {
  if (isIP(entry) > 0) return !entry.includes('%');
  const [, bracketed, plain, port] = SERVER.exec(entry) ?? [];
  if (isIP(bracketed ?? '') !== 6 && isIP(plain ?? '') !== 4) return false;
  return port === undefined || (Number(port) >= 1 && Number(port) <= MOST_PORT);
}

/** @returns a sentence for each entry that is no address of a DNS server */
export const findDnsProblems = (env: DnsEnvironment): string[] =>
  splitNames(env.DNS_SERVERS)
    .filter((entry) => !isServer(entry))
    .map(
      (entry) =>
        `DNS_SERVERS must list IP addresses, each with a port from 1 to ${MOST_PORT} if it is not 53, such as 192.0.2.53 or [2001:db8::53]:5353: ${JSON.stringify(entry)} is none.`,
    );

/** Reads settings that {@link findDnsProblems} has accepted. */
export const readDnsSettings = (env: DnsEnvironment) => ({
  /** The DNS servers to ask; empty for those of the system. */
  dnsServers: Object.freeze<string[]>(splitNames(env.DNS_SERVERS)),
});

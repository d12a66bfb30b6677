import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import ipaddr from 'ipaddr.js';

/** The operator's own lists of addresses. */
export interface IpLists {
  /** @returns the names of the lists that hold the address */
  holding(ip: string | null): string[];
}

interface Range {
  from: bigint;
  to: bigint;
}

interface List {
  name: string;
  v4: readonly Range[];
  v6: readonly Range[];
}

type Address = ReturnType<typeof ipaddr.parse>;

/** How much of ::ffff:0:0/96 comes before the IPv4 address. */
const MAPPED_BITS = 96;

const toNumber = (address: Address) =>
  address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/**
 * The forms that ipaddr.js reads besides are slips in a list: `10.1` is 10.0.0.1 to it, and 010.0.0.1 is 8.0.0.1. An
 * IPv4 range in IPv6's clothes is unwrapped, as the addresses are that are looked for.
 */
function parseRange(text: string): [Address, number] | undefined {
  const [base = '', prefix] = text.split('/');
  const plain = base.includes(':') || ipaddr.IPv4.isValidFourPartDecimal(base);
  if (!plain || (prefix === undefined ? !ipaddr.isValid(base) : !ipaddr.isValidCIDR(text))) {
    return undefined;
  }
  const written = ipaddr.parse(base);
  const bits = prefix === undefined ? written.toByteArray().length * 8 : Number(prefix);
  const address = ipaddr.process(base);
  return address.kind() === written.kind() || bits < MAPPED_BITS
    ? [written, bits]
    : [address, bits - MAPPED_BITS];
}

/** @throws Error naming the file and the line that is no address and no CIDR range */
function parseLine(line: string, where: string): { v4: boolean; range: Range } | undefined {
  const text = line.replace(/[#;].*$/, '').trim();
  if (text === '') return undefined;
  const [address, bits = 0] = parseRange(text) ?? [];
  if (!address) throw new Error(`${where} is no address and no CIDR range.`);
  const v4 = address.kind() === 'ipv4';
  const size = BigInt((v4 ? 32 : 128) - bits);
  const from = (toNumber(address) >> size) << size;
  return { v4, range: { from, to: from + (1n << size) - 1n } };
}

/** Sorted and without overlaps, so that one binary search answers. */
function merge(ranges: Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))) {
    const last = merged.at(-1);
    if (last && range.from <= last.to + 1n) last.to = range.to > last.to ? range.to : last.to;
    else merged.push({ ...range });
  }
  return merged;
}

function readList(path: string): List {
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  const parsed = lines.flatMap(
    (line, at) => parseLine(line, `IP_LISTS: ${path}, line ${at + 1}`) ?? [],
  );
  const ranges = (wanted: boolean) =>
    merge(parsed.filter(({ v4 }) => v4 === wanted).map(({ range }) => range));
  return { name: basename(path, extname(path)), v4: ranges(true), v6: ranges(false) };
}

function holds(ranges: readonly Range[], value: bigint): boolean {
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (!range) return false;
    if (value < range.from) high = middle - 1;
    else if (value > range.to) low = middle + 1;
    else return true;
  }
  return false;
}

/**
 * Reads lists of addresses and CIDR ranges, one a line, `#` begins a comment; a list is named as its file is.
 * @throws Error with a plain sentence where a file cannot be read or a line is wrong
 */
export function readIpLists(paths: readonly string[]): IpLists {
  const lists = paths.map(readList);
  return {
    holding(ip) {
      if (ip === null || lists.length === 0 || !ipaddr.isValid(ip)) return [];
      // Unwrapped: an IPv4 client of an IPv6 socket is ::ffff:a.b.c.d.
      const address = ipaddr.process(ip);
      const value = toNumber(address);
      const kind = address.kind() === 'ipv4' ? 'v4' : 'v6';
      return lists.filter((list) => holds(list[kind], value)).map(({ name }) => name);
    },
  };
}

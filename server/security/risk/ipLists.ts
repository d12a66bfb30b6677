import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import ipaddr from 'ipaddr.js';
import { readAddress, readRange } from '../../http/clientAddress';

/** The operator's own lists of addresses. */
export interface IpLists {
  /** @returns the names of the lists that contain the address */
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

const toNumber = (address: Address) =>
  address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** @throws Error naming the file and the line that is not an address or CIDR range */
function parseLine(line: string, where: string): { v4: boolean; range: Range } | undefined {
  const text = line.replace(/[#;].*$/, '').trim();
  if (text === '') return undefined;
  const [address, bits = 0] = readRange(text) ?? [];
  if (!address) throw new Error(`${where} is neither an address nor a CIDR range.`);
  const v4 = address.kind() === 'ipv4';
  const size = BigInt((v4 ? 32 : 128) - bits);
  const from = (toNumber(address) >> size) << size;
  return { v4, range: { from, to: from + (1n << size) - 1n } };
}

/** Sorts the ranges and merges overlaps, so that one binary search finds the answer. */
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
 * Reads lists of addresses and CIDR ranges, one per line; `#` begins a comment. The name of a list
 * is its file's name without the extension.
 * @throws Error with a message for the operator if a file cannot be read or a line is invalid
 */
export function readIpLists(paths: readonly string[]): IpLists {
  const lists = paths.map(readList);
  return {
    holding(ip) {
      const canonical = lists.length === 0 ? null : readAddress(ip);
      if (canonical === null) return [];
      const address = ipaddr.parse(canonical);
      const value = toNumber(address);
      const kind = address.kind() === 'ipv4' ? 'v4' : 'v6';
      return lists.filter((list) => holds(list[kind], value)).map(({ name }) => name);
    },
  };
}

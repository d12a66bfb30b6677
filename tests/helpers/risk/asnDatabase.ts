import ipaddr from 'ipaddr.js';

/**
 * The values of MaxMind's format that are needed here. Numbers are unsigned, of at most 32 bits.
 */
type Value = string | number | readonly Value[] | { readonly [key: string]: Value };

function encode(value: Value): Buffer {
  if (typeof value === 'string') {
    return Buffer.concat([Buffer.from([(2 << 5) | value.length]), Buffer.from(value)]);
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(5, (6 << 5) | 4);
    bytes.writeUInt32BE(value, 1);
    return bytes;
  }
  if (value instanceof Array) {
    return Buffer.concat([Buffer.from([value.length, 4]), ...value.map(encode)]);
  }
  const entries = Object.entries(value as Record<string, Value>);
  const pairs = entries.flatMap(([key, one]) => [encode(key), encode(one)]);
  return Buffer.concat([Buffer.from([(7 << 5) | entries.length]), ...pairs]);
}

/** Separates the tree from the data. */
const SEPARATOR = Buffer.alloc(16);
const RECORD_BITS = 24;

interface Tree {
  nodes: [number | undefined, number | undefined][];
  /** The entry that a record of a node leads to, by node and side. */
  leaves: Map<string, number>;
}

function grow(cidrs: readonly string[]): Tree {
  const tree: Tree = { nodes: [[undefined, undefined]], leaves: new Map() };
  cidrs.forEach((cidr, entry) => {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    const path = address.toByteArray().map((byte) => byte.toString(2).padStart(8, '0'));
    const sides = [...path.join('').slice(0, bits)].map((side) => (side === '1' ? 1 : 0));
    let at = 0;
    for (const [depth, side] of sides.entries()) {
      if (depth === bits - 1) tree.leaves.set(`${at}/${side}`, entry);
      else at = descend(tree, at, side);
    }
  });
  return tree;
}

function descend({ nodes }: Tree, at: number, side: 0 | 1): number {
  const node = nodes[at];
  if (!node) throw new Error(`the tree has no node ${at}`);
  node[side] ??= nodes.push([undefined, undefined]) - 1;
  return node[side];
}

/**
 * Returns a database of autonomous systems in MaxMind's format (version 2.0), as an operator would
 * use.
 * @param systems numbers by IPv4 CIDR range; no range may lie within another
 */
export function makeAsnDatabase(systems: Readonly<Record<string, number>>): Buffer {
  const { nodes, leaves } = grow(Object.keys(systems));
  const data = Object.values(systems).map((asn) => encode({ autonomous_system_number: asn }));
  const offsetOf = (entry: number) => Buffer.concat(data.slice(0, entry)).length;
  const tree = Buffer.alloc((nodes.length * 2 * RECORD_BITS) / 8);
  nodes.forEach((node, at) => {
    for (const side of [0, 1] as const) {
      const entry = leaves.get(`${at}/${side}`);
      const below = node[side] ?? nodes.length;
      const record =
        entry === undefined ? below : nodes.length + SEPARATOR.length + offsetOf(entry);
      tree.writeUIntBE(record, (at * 2 + side) * (RECORD_BITS / 8), RECORD_BITS / 8);
    }
  });
  const metadata = encode({
    node_count: nodes.length,
    record_size: RECORD_BITS,
    ip_version: 4,
    database_type: 'GeoLite2-ASN',
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_770_000_000,
    description: { en: 'made for tests' },
  });
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  return Buffer.concat([tree, SEPARATOR, ...data, marker, metadata]);
}

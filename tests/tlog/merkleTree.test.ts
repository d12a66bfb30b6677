import { GrowingTree, hashLeaf } from '@/tlog/merkleTree';
import {
  computeRoots,
  consistencyRanges,
  inclusionRanges,
  isConsistent,
  rootFromInclusion,
} from '@/tlog/treeProofs';
import type { ReadRoots } from '@/tlog/treeProofs';
import {
  auditPath,
  consistencyPath,
  madeUpEntries,
  treeHash,
} from '@/tests/helpers/evidence/referenceTree';

const MOST = 40;

function grow(entries: readonly Buffer[]): GrowingTree {
  const tree = GrowingTree.empty();
  for (const entry of entries) tree.append(hashLeaf(entry));
  return tree;
}

const rootOf = (entries: readonly Buffer[]) => grow(entries).root();

const reader =
  (entries: readonly Buffer[]): ReadRoots =>
  (places) =>
    Promise.resolve(
      places.map(({ level, index }) =>
        rootOf(entries.slice(index * 2 ** level, (index + 1) * 2 ** level)),
      ),
    );

const hex = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('hex'));
const prove = (index: number, entries: readonly Buffer[]) =>
  computeRoots(inclusionRanges(index, entries.length), reader(entries));
const proveGrowth = (from: number, entries: readonly Buffer[]) =>
  computeRoots(consistencyRanges(from, entries.length), reader(entries));

const spoil = (hash: Buffer) => {
  const other = Buffer.from(hash);
  other[31] = (other[31] ?? 0) ^ 1;
  return other;
};

/**
 * Returns variants of a proof: each hash changed, removed or doubled, two swapped, one added at
 * either end.
 */
function tampered(proof: readonly Buffer[]): Buffer[][] {
  const made = proof.flatMap((hash, at) => [
    proof.with(at, spoil(hash)),
    proof.toSpliced(at, 1),
    proof.toSpliced(at, 0, hash),
  ]);
  const swapped = proof.slice(1).map((hash, at) => proof.with(at, hash).with(at + 1, proof[at]!));
  return [...made, ...swapped, [...proof, Buffer.alloc(32)], [Buffer.alloc(32), ...proof]];
}

describe('the tree of eight leaves that Certificate Transparency tests with', () => {
  const entries = [
    ...['', '00', '10', '2021', '3031', '40414243', '5051525354555657'],
    '606162636465666768696a6b6c6d6e6f',
  ].map((entry) => Buffer.from(entry, 'hex'));

  it.each([
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'],
    [5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'],
    [6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
  ])('has the published root with %i of them', (size, root) => {
    expect(rootOf(entries.slice(0, size)).toString('hex')).toBe(root);
  });

  it.each([
    [
      ...[0, 8],
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      ...[5, 8],
      [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
    [
      ...[1, 5],
      [
        '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ] as [number, number, string[]][])(
    'has the published inclusion proof of leaf %i among %i',
    async (index, size, proof) => {
      expect(hex(await prove(index, entries.slice(0, size)))).toEqual(proof);
    },
  );

  it.each([
    [1, 1, []],
    [
      ...[1, 8],
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      ...[6, 8],
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [
      ...[2, 5],
      [
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ] as [number, number, string[]][])(
    'has the published consistency proof from %i to %i',
    async (from, to, proof) => {
      expect(hex(await proveGrowth(from, entries.slice(0, to)))).toEqual(proof);
    },
  );
});

describe(`for every tree of up to ${MOST} leaves`, () => {
  const all = madeUpEntries(MOST);
  const roots = Array.from({ length: MOST + 1 }, (_, size) => treeHash(all.slice(0, size)));
  const sizes = Array.from({ length: MOST }, (_, n) => n + 1);

  it('the root is that of RFC 6962, also where the tree was put down and taken up again', () => {
    let tree = GrowingTree.empty();
    for (const size of sizes) {
      tree = GrowingTree.from(tree.size, tree.encodePeaks());
      tree.append(hashLeaf(all[size - 1]!));
      expect(tree.root()).toEqual(roots[size]);
    }
    expect(GrowingTree.empty().root()).toEqual(roots[0]);
  });

  it('a tree is not taken up with the peaks of another size', () => {
    for (const size of sizes) {
      const peaks = grow(all.slice(0, size)).encodePeaks();
      for (const wrong of [peaks.subarray(1), Buffer.concat([peaks, Buffer.alloc(32)])]) {
        expect(() => GrowingTree.from(size, wrong)).toThrow(RangeError);
      }
    }
  });

  it('the kept nodes are the roots of 16 and 256 leaves, each once, as soon as they are complete', () => {
    const entries = madeUpEntries(300);
    const tree = GrowingTree.empty();
    const kept = entries.flatMap((entry) => tree.append(hashLeaf(entry)));
    const width = (level: number) => 2 ** level;
    expect(kept.map(({ level, index }) => `${level}/${index}`).sort()).toEqual(
      [...Array.from({ length: 18 }, (_, n) => `4/${n}`), '8/0'].sort(),
    );
    for (const { level, index, hash } of kept) {
      const under = entries.slice(index * width(level), (index + 1) * width(level));
      expect(hash).toEqual(treeHash(under));
    }
  });

  it('each leaf has the inclusion proof of RFC 6962, which leads to the root', async () => {
    for (const size of sizes) {
      const entries = all.slice(0, size);
      for (let index = 0; index < size; index += 1) {
        const proof = await prove(index, entries);
        expect(hex(proof)).toEqual(hex(auditPath(index, entries)));
        expect(rootFromInclusion(hashLeaf(entries[index]!), index, size, proof)).toEqual(
          roots[size],
        );
      }
    }
  });

  it('no tampered inclusion proof leads to the root: other hashes, length, leaf, place or size', () => {
    const accepted: unknown[] = [];
    for (const size of sizes) {
      const entries = all.slice(0, size);
      const root = roots[size]!;
      for (let index = 0; index < size; index += 1) {
        const leaf = hashLeaf(entries[index]!);
        const proof = auditPath(index, entries);
        const attempt = (hash: Buffer, at: number, hashes: Buffer[]) => {
          if (rootFromInclusion(hash, at, size, hashes)?.equals(root)) accepted.push([size, index]);
        };
        for (const wrong of tampered(proof)) attempt(leaf, index, wrong);
        attempt(spoil(leaf), index, proof);
        for (let other = -1; other <= size; other += 1) {
          if (other !== index) attempt(leaf, other, proof);
        }
      }
    }
    expect(accepted).toEqual([]);
  });

  it('each earlier size has the consistency proof of RFC 6962, which holds', async () => {
    for (const to of sizes) {
      for (let from = 1; from <= to; from += 1) {
        const proof = await proveGrowth(from, all.slice(0, to));
        expect(hex(proof)).toEqual(hex(consistencyPath(from, all.slice(0, to))));
        const [earlier, later] = [from, to].map((size) => ({ size, root: roots[size]! }));
        expect(isConsistent(earlier!, later!, proof)).toBe(true);
      }
    }
  });

  it('no tampered consistency proof holds: other hashes, length, roots, sizes or order', () => {
    const accepted: unknown[] = [];
    for (const to of sizes) {
      for (let from = 1; from <= to; from += 1) {
        const proof = consistencyPath(from, all.slice(0, to));
        const earlier = { size: from, root: roots[from]! };
        const later = { size: to, root: roots[to]! };
        const wrong: Parameters<typeof isConsistent>[] = [
          ...tampered(proof).map((hashes) => [earlier, later, hashes] as const),
          [{ ...earlier, root: spoil(earlier.root) }, later, proof],
          [earlier, { ...later, root: spoil(later.root) }, proof],
          [{ ...earlier, size: -1 }, later, proof],
        ].map(([a, b, hashes]) => [a, b, hashes] as Parameters<typeof isConsistent>);
        if (from < to) wrong.push([later, earlier, proof]);
        if (from > 1) wrong.push([{ ...earlier, size: from - 1 }, later, proof]);
        if (wrong.some((attempt) => isConsistent(...attempt))) accepted.push([from, to]);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('everything is consistent with the tree of nothing, and with nothing proven for it', () => {
    const [nothing, some] = [
      { size: 0, root: roots[0]! },
      { size: 5, root: roots[5]! },
    ];
    expect(isConsistent(nothing, some, [])).toBe(true);
    expect(isConsistent(nothing, some, [Buffer.alloc(32)])).toBe(false);
    expect(isConsistent(some, nothing, [])).toBe(false);
  });
});

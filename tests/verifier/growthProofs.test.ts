import {
  checkpointOf,
  entryOf,
  makeBundle,
  makeEvents,
  makeKeys,
  vkeyOf,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { consistencyPath, treeHash } from '@/tests/helpers/evidence/referenceTree';
import { verify } from './verifyFile';

const keys = makeKeys();
const events = makeEvents(140);
const plan: BundlePlan = { events: events.slice(0, 130), keys };
const bundle = makeBundle(plan);
const longer = { ...plan, events };

/** Returns the answer of GET /api/compliance/consistency. */
function prove(from: number, to: number, of = events) {
  const entries = of.slice(0, to).map(entryOf);
  const hashes = consistencyPath(from, entries).map((hash) => hash.toString('base64'));
  const rootOf = (size: number) => treeHash(entries.slice(0, size)).toString('base64');
  return { from, to, fromRoot: rootOf(from), toRoot: rootOf(to), hashes };
}

const against = (head: string, ...proofs: (object | string)[]) =>
  verify(bundle, { keys: [vkeyOf(keys)], earlier: [head], proofs });

describe('a proof of consistency', () => {
  it.each([
    ['from a head before the bundle', checkpointOf(longer, 7), prove(7, 130)],
    ['from a head to a leaf of the bundle', checkpointOf(longer, 7), prove(7, 60)],
    ['from the bundle to a newer head', checkpointOf(longer, 140), prove(130, 140)],
    ['from a leaf of the bundle to a newer head', checkpointOf(longer, 137), prove(60, 137)],
  ])('makes a head comparable: %s', async (_name, head, proof) => {
    const { outcome, text } = await against(head, prove(1, 2), proof);
    expect(outcome).toBe('sound');
    expect(text).toMatch(/^ok {4}earlier {6}1 checkpoint of the same history$/m);
  });

  it('may begin with a byte order mark, as Windows saves it', async () => {
    const saved = `\uFEFF${JSON.stringify(prove(7, 130), undefined, 2)}\r\n`;
    expect((await against(checkpointOf(longer, 7), saved)).outcome).toBe('sound');
  });

  const rewritten = events.map((event) =>
    event.leaf_index === 5 ? { ...event, actor: 'nobody' } : event,
  );

  it('shows that a newer head is of another history: the bundle is not sound', async () => {
    const other = { ...longer, events: rewritten };
    const { found } = await against(checkpointOf(other, 140), prove(130, 140, rewritten));
    expect(found).toEqual(['earlier_root leaf 130']);
  });

  it.each([
    [
      'it is of another history, which anybody can make up for an earlier head',
      checkpointOf({ ...longer, events: rewritten }, 7),
      prove(7, 130, rewritten),
    ],
    ['it is for other sizes', checkpointOf(longer, 7), prove(8, 130)],
    ['its hashes lead elsewhere', checkpointOf(longer, 7), { ...prove(7, 130), hashes: [] }],
    [
      'its roots are right and its hashes are not',
      checkpointOf(longer, 140),
      { ...prove(130, 140), hashes: prove(129, 140).hashes },
    ],
  ])('proves nothing if %s', async (_name, head, proof) => {
    const { outcome, found } = await against(head, proof);
    expect(found).toEqual([]);
    expect(outcome).toBe('not_comparable');
  });

  it('is refused if it is none', async () => {
    await expect(against(checkpointOf(longer, 7), { from: 7 })).rejects.toThrow(
      /not a proof of consistency.*: fromRoot should be/,
    );
  });
});

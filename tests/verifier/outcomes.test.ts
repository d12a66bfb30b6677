import {
  checkpointOf,
  makeBundle,
  makeEvents,
  makeKeys,
  openBundle,
  ORIGIN,
  pack,
  sign,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, soundPlan } from '@/tests/helpers/evidence/soundPlan';
import { OUTCOMES } from '@/verifier/outcome';
import { describeAsJson } from '@/verifier/bundleReport';
import { verify } from './verifyFile';

const plan: BundlePlan = { ...soundPlan, earlier: [120, 9] };
const bundle = makeBundle(plan);
const changed = openBundle(plan);
const signed = sign(changed);
signed.set('sessions.csv', Buffer.from('id,note\r\n'));
const broken = pack(signed);
/** A checkpoint before the stretch, of a size at which no bundle was made. */
const strange = [checkpointOf(plan, 7)];
const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';

describe('what becomes of a verification', () => {
  const NOBODY = /nobody vouched for the key/;
  it.each([
    ['sound', 'all is right', bundle, believed, /is sound, and signed by a key that you/],
    ['unvouched', 'no key was given', bundle, {}, /is consistent, but nobody vouched for the key/],
    [
      'not_comparable',
      'a head cannot be related',
      bundle,
      { ...believed, earlier: strange },
      /NOT COMPARABLE with what was given: ask for the proof of consistency from 7 to 130/,
    ],
    ['not_sound', 'something is wrong', broken, believed, /is NOT sound: 2 findings/],
    [
      'not_comparable',
      'neither a key was given nor a head can be related',
      bundle,
      { earlier: strange },
      /NOT COMPARABLE.*nobody vouched for the key/,
    ],
    ['not_sound', 'something is wrong and no key was given', broken, {}, /is NOT sound/],
    [
      'not_sound',
      'something is wrong and a head cannot be related',
      broken,
      { ...believed, earlier: strange },
      /is NOT sound/,
    ],
    ['not_sound', 'all of it at once', broken, { earlier: strange }, /is NOT sound/],
  ] as const)(
    'is %s if %s, and the last line says so',
    async (expected, _if, file, given, line) => {
      const { outcome, text, verification } = await verify(file, given);
      expect(outcome).toBe(expected);
      expect(lastLine(text)).toMatch(line);
      const said = JSON.parse(describeAsJson(verification)) as { outcome: string; sound: boolean };
      expect(said).toMatchObject({ outcome: expected, sound: expected === 'sound' });
      if (expected === 'unvouched' || expected === 'not_comparable') {
        expect(lastLine(text)).not.toMatch(/sound/);
      }
      expect(NOBODY.test(lastLine(text))).toBe(!('keys' in given) && expected !== 'not_sound');
    },
  );

  it('has an exit code of its own for each, and none is that of a wrong usage', () => {
    expect(OUTCOMES).toEqual({ sound: 0, not_sound: 1, unvouched: 3, not_comparable: 4 });
  });
});

describe('a head that cannot be related', () => {
  const against = (earlier: string | Buffer, given = believed) =>
    verify(bundle, { ...given, earlier: [earlier] });

  it.each([
    [
      'earlier_unproven',
      'from before the range, of no export',
      checkpointOf(plan, 7),
      /consistency from 7 to 130/,
    ],
    [
      'earlier_ahead',
      'newer than the bundle',
      checkpointOf({ ...plan, events: makeEvents(140) }, 140),
      /a newer bundle, or for the proof of consistency from 130 to 140/,
    ],
    [
      'earlier_ahead',
      'in a newer bundle',
      makeBundle({ ...plan, events: makeEvents(140), earlier: [] }),
      /consistency from 130 to 140/,
    ],
    [
      'earlier_other_log',
      'of another log',
      checkpointOf(plan, 9).replaceAll(ORIGIN, `${ORIGIN.slice(0, -1)}b`),
      new RegExp(`Ask for a checkpoint of ${ORIGIN}`),
    ],
    [
      'earlier_signature',
      'signed by a key that was not given',
      checkpointOf({ ...plan, keys: makeKeys() }, 60),
      /Ask for the key that signed it/,
    ],
    [
      'earlier_signature',
      'with a signature that is wrong',
      checkpointOf(plan, 60).replace(/.{9}\n$/, 'AAAAAAAA=\n'),
      /Ask for the key/,
    ],
  ])('leaves %s open and finds nothing wrong: %s', async (kind, _name, head, ask) => {
    const { outcome, open, found, text } = await against(head);
    expect(found).toEqual([]);
    expect(open).toEqual([kind]);
    expect(outcome).toBe('not_comparable');
    expect(text).toMatch(ask);
    expect(text).toMatch(/^-- {4}earlier {6}not comparable: 1 question$/m);
  });

  it('is passed over if another one of its file can be related, and the report counts it', async () => {
    const newer = checkpointOf({ ...plan, events: makeEvents(140) }, 140);
    const { outcome, text } = await against([...strange, checkpointOf(plan, 60), newer].join('\n'));
    expect(outcome).toBe('sound');
    expect(text).toMatch(/cannot confirm or refute 2 given checkpoints; 1 of them newer/);
  });

  it('stays open although a head of another file can be related', async () => {
    const { open } = await verify(bundle, {
      ...believed,
      earlier: [checkpointOf(plan, 60), ...strange],
    });
    expect(open).toEqual(['earlier_unproven']);
  });
});

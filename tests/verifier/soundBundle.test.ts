import { makeBundle, vkeyOf } from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { pack, openBundle, sign } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, events, keys, soundPlan } from '@/tests/helpers/evidence/soundPlan';
import { verify } from './verifyFile';

const plan: BundlePlan = { ...soundPlan, earlier: [120, 60, 5] };

describe('a bundle in which all is right', () => {
  it.each(['csv', 'json'] as const)(
    'is sound, whatever its texts try to be: %s',
    async (format) => {
      const { text } = await verify(makeBundle({ ...plan, format }), believed);
      const marks = text.split('\n').map((line) => line.slice(0, 5).trim());
      expect(marks.slice(0, 13)).toEqual([...Array<string>(12).fill('ok'), '--']);
      expect(text).toMatch(/102 events of leaves 15 to 116 as they were sealed/);
      expect(text).toMatch(/96 events from 2026-03-02 to 2026-03-02, 6 next to them/);
      expect(text).toMatch(/The bundle is sound, and signed by a key that you gave\.\n$/);
    },
  );

  it.each([
    ['the whole log', { range: { from: '2026-03-01', to: '2026-03-05' } }],
    ['its beginning', { range: { from: '2026-02-01', to: '2026-03-01' } }],
    ['its end', { range: { from: '2026-03-03', to: '2026-03-09' } }],
    ['a time before it', { range: { from: '2026-01-01', to: '2026-01-02' } }],
    ['a time after it', { range: { from: '2026-04-01', to: '2026-04-02' } }],
    ['one event', { events: events.slice(0, 1), earlier: [1] }],
  ])('is sound where its range is %s', async (_name, more) => {
    const { text, found } = await verify(makeBundle({ ...plan, ...more }), believed);
    expect(found).toEqual([]);
    expect(text).toMatch(/The bundle is sound/);
  });

  it('is sound where it is ZIP64, or not compressed', async () => {
    const files = sign(openBundle(plan));
    const stored = pack(files, (all) =>
      all.map((file) => ({ ...file, method: 0, flags: file.name.startsWith('s') ? 0 : 8 })),
    );
    expect((await verify(stored, believed)).found).toEqual([]);
    expect((await verify(pack(files, undefined, { zip64: true }), believed)).found).toEqual([]);
  });

  it('says that anybody could have signed it where no key is given, and which key to ask about', async () => {
    const { text, found } = await verify(makeBundle(plan));
    expect(found).toEqual([]);
    expect(text).toContain('--    key');
    expect(text).toContain(vkeyOf(keys));
  });

  it('says that a range goes on after the bundle was made', async () => {
    const late = makeBundle({ ...plan, range: { from: '2026-03-01', to: '2026-03-20' } });
    expect((await verify(late, believed)).text).toMatch(/note: The range ends after/);
  });
});

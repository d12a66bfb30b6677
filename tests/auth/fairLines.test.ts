import { createFairLines } from '@/server/auth/fairLines';
import type { FairLines } from '@/server/auth/fairLines';

const nothing = () => undefined;
const enter = (lines: FairLines, block: string, domain: string) =>
  lines.add({ block, domain, start: nothing, refuse: nothing });
const times = (many: number) => Array.from({ length: many }, (_none, index) => index);

/** Takes that many turns. @returns `block@domain` of each */
const take = (lines: FairLines, turns: number) =>
  times(turns).map(() => {
    const one = lines.next();
    return one && `${one.block}@${one.domain}`;
  });

describe('a flood on the accounts of one tenant', () => {
  it('from 500 addresses leaves every second turn to another tenant', () => {
    const lines = createFairLines();
    for (const index of times(500)) enter(lines, `bot-${index}`, 'a.example');
    for (const index of times(10)) enter(lines, `home-${index}`, 'b.example');
    const turns = take(lines, 20);
    expect(turns.filter((one) => one?.endsWith('b.example'))).toHaveLength(10);
  });

  it('lets a person of another tenant who comes later go next', () => {
    const lines = createFairLines();
    for (const index of times(500)) enter(lines, `bot-${index}`, 'a.example');
    take(lines, 100);
    enter(lines, 'home', 'b.example');
    expect(take(lines, 1)).toStrictEqual(['home@b.example']);
  });

  it('gives way, and nobody else does, when the places are full', () => {
    const lines = createFairLines();
    enter(lines, 'home', 'b.example');
    enter(lines, 'home', 'b.example');
    for (const index of times(50)) enter(lines, `bot-${index}`, 'a.example');
    expect(lines.dropLast({ block: 'office', domain: 'b.example' })?.block).toBe('bot-49');
    expect(lines.dropLast({ block: 'bot-50', domain: 'a.example' })).toBeUndefined();
    expect(lines.size()).toBe(51);
  });
});

describe('a flood from one address', () => {
  it('delays nobody else, whatever domains it names', () => {
    const lines = createFairLines();
    for (const index of times(500)) enter(lines, 'bot', `${index}.example`);
    take(lines, 100);
    enter(lines, 'home', '300.example');
    expect(take(lines, 1)).toStrictEqual(['home@300.example']);
  });

  it('delays the people of the domain that it names by one turn', () => {
    const lines = createFairLines();
    times(500).forEach(() => enter(lines, 'bot', 'b.example'));
    enter(lines, 'home', 'b.example');
    expect(take(lines, 2)).toStrictEqual(['bot@b.example', 'home@b.example']);
  });

  it('gives way when the places are full, also to people of the domain that it names', () => {
    const lines = createFairLines();
    times(50).forEach(() => enter(lines, 'bot', 'b.example'));
    expect(lines.dropLast({ block: 'home', domain: 'b.example' })?.block).toBe('bot');
    expect(lines.dropLast({ block: 'bot', domain: 'c.example' })).toBeUndefined();
  });
});

describe('people without a flood', () => {
  it('go in the order in which they came', () => {
    const lines = createFairLines();
    for (const index of times(5)) enter(lines, `home-${index}`, `${index}.example`);
    expect(take(lines, 6)).toStrictEqual([
      ...times(5).map((index) => `home-${index}@${index}.example`),
      undefined,
    ]);
  });
});

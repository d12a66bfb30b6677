import express from 'express';
import fastify from 'fastify';
import request from 'supertest';
import { UnclearAct, createGuard, toAct } from '@/guard';
import { closeLater } from '@/tests/helpers/server/closing';
import { openFakeGatehouse, SERVICE_KEY } from '@/tests/helpers/guard/fakeGatehouse';

const digestOf = (body: unknown) => toAct({ method: 'POST', route: '/pay', body }).digest;
/** Returns the digest of a body as a parser reads it, or `refused`. */
function digestOfText(text: string): string {
  try {
    return digestOf(JSON.parse(text));
  } catch (error) {
    if (error instanceof UnclearAct) return 'refused';
    throw error;
  }
}

describe('the digest of an act', () => {
  it.each([
    ['a number that is too large, and null', '{"n":1e999}', '{"n":null}'],
    ['a number below zero that is too large, and null', '{"n":-1e999}', '{"n":null}'],
    ['minus zero and zero', '{"n":-0}', '{"n":0}'],
    ['minus zero in other words, and zero', '{"n":-1e-999}', '{"n":0}'],
    ['two neighbours that become one number', '[9007199254740993]', '[9007199254740992.0]'],
    ['a text and the number in it', '{"n":"1"}', '{"n":1}'],
    ['two halves of a surrogate pair', '"\\ud800"', '"\\ud801"'],
    ['half of a surrogate pair, and its replacement', '"\\ud800"', '"\\ufffd"'],
    ['a member called __proto__, and none', '{"__proto__":{"admin":true}}', '{}'],
    ['a member that is null, and none', '{"n":null}', '{}'],
  ])('is not the same for %s', (_what, one, other) => {
    const digests = [digestOfText(one), digestOfText(other)];
    expect(digests[0] === 'refused' || digests[0] !== digests[1]).toBe(true);
  });

  it('is that of the value that the handler sees: the last of two members of one name', () => {
    expect(digestOfText('{"to":"ann","to":"bob"}')).toBe(digestOfText('{"to":"bob"}'));
    expect(digestOfText('{"to":"bob","to":"ann"}')).not.toBe(digestOfText('{"to":"bob"}'));
  });

  it('is refused for values that JSON would leave out, empty or change', () => {
    const lossy = [new Map([['to', 'ann']]), new URLSearchParams('to=ann'), new Date(0), 1n, NaN];
    for (const value of [...lossy, () => 1, Symbol('to')]) {
      expect(() => digestOf({ value })).toThrow(UnclearAct);
    }
    expect(() => digestOf([undefined])).toThrow(UnclearAct);
    expect(() => digestOf(JSON.parse('['.repeat(5000) + ']'.repeat(5000)))).toThrow(UnclearAct);
  });

  it('tells bytes from texts and from objects that look like them', () => {
    const bytes = Buffer.from('ann');
    const alike = [bytes, 'ann', bytes.toString('base64'), bytes.toJSON(), { bytes: 'YW5u' }];
    expect(new Set(alike.map(digestOf)).size).toBe(alike.length);
    expect(digestOf(Buffer.from('bob'))).not.toBe(digestOf(bytes));
  });

  it('is independent of the order of members, and of members that are undefined', () => {
    expect(digestOf({ a: 1, b: undefined, c: [2] })).toBe(digestOf({ c: [2], a: 1 }));
  });
});

it('a request with an unclear act is answered with 400 in Express and Fastify', async () => {
  const fake = await openFakeGatehouse();
  const guard = createGuard({ url: fake.url, serviceKey: SERVICE_KEY });
  closeLater(() => guard.close());
  const inExpress = express();
  inExpress.use(express.json());
  inExpress.post('/pay', guard.express.consumeStepUp('app:pay'), (_req, res) => res.json({}));
  const inFastify = fastify();
  closeLater(() => inFastify.close());
  const preHandler = guard.fastify.consumeStepUp('app:pay');
  inFastify.post('/pay', { preHandler }, () => ({}));
  await inFastify.ready();
  for (const [text, status] of [
    ['{"amount":1e999}', 400],
    ['{"amount":1}', 200],
  ] as const) {
    for (const api of [inExpress, inFastify.server]) {
      const res = await request(api)
        .post('/pay')
        .set('authorization', `Bearer ${fake.token()}`)
        .type('json')
        .send(text);
      expect(res.status).toBe(status);
    }
  }
});

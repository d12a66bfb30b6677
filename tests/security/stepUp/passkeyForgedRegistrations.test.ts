import { createHash, randomBytes, sign } from 'node:crypto';
import {
  attestationCertificate,
  attestationKey,
} from '@/tests/helpers/passkeys/attestationCertificate';
import { DEVIATIONS } from '@/tests/helpers/passkeys/deviations';
import { passEnrolmentHour } from '@/tests/helpers/stepUp/enrolmentHour';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { newAuthenticator, passkeyCalls, passkeysOf } from '@/tests/helpers/passkeys/passkeyCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { encodeCbor } from '@/tests/helpers/passkeys/softAuthenticator';
import type {
  Cbor,
  Deviation,
  SoftAuthenticator,
} from '@/tests/helpers/passkeys/softAuthenticator';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

describe('a registration', () => {
  async function attempt(make: (key: SoftAuthenticator, options: never) => unknown, kind = {}) {
    const { token, staffId } = await seedTestUserAndToken();
    const { register, finish } = passkeyCalls(app, token);
    const options = (await register()).body as never;
    const res = await finish(make(newAuthenticator(deps, kind), options));
    return { res, kept: await passkeysOf(staffId) };
  }

  it.each([...DEVIATIONS, ['an assertion', { type: 'webauthn.get' }] as [string, Deviation]])(
    'with %s is refused, and keeps nothing',
    async (_name, deviation) => {
      const { res, kept } = await attempt((key, options) => key.create(options, deviation));
      expectRefusal(res, [403]);
      expect([res.body.error, kept]).toEqual(['INVALID_PASSKEY', []]);
    },
  );

  const x5c = [attestationCertificate];
  /** Signs with the certificate's key, as a vendor's authenticator does. */
  const certify = (authData: Buffer, digest: Buffer) =>
    new Map<string, Cbor>([
      ['alg', -7],
      ['sig', sign('sha256', Buffer.concat([authData, digest]), attestationKey)],
      ['x5c', x5c],
    ]);
  const cose = (...entries: [number, Cbor][]) => new Map<number, Cbor>(entries);
  const [x, y] = [randomBytes(32), randomBytes(32)];
  /** An odd number of 2048 bits. */
  const modulus = Buffer.concat([Buffer.from([0xc1]), randomBytes(254), Buffer.from([0x01])]);
  const KEYS: [string, Deviation][] = [
    ['another algorithm', { coseKey: cose([1, 2], [3, -35], [-1, 2], [-2, x], [-3, y]) }],
    ['no algorithm', { coseKey: cose([1, 2], [-1, 1], [-2, x], [-3, y]) }],
    [
      'another curve than its algorithm has',
      { coseKey: cose([1, 2], [3, -7], [-1, 2], [-2, x], [-3, y]) },
    ],
    ['a point off its curve', { coseKey: cose([1, 2], [3, -7], [-1, 1], [-2, x], [-3, y]) }],
    ['half a point', { coseKey: cose([1, 2], [3, -7], [-1, 1], [-2, x]) }],
    ['a kind that does not sign so', { coseKey: cose([1, 1], [3, -7], [-1, 6], [-2, x]) }],
    ['text for bytes', { coseKey: cose([1, 2], [3, -7], [-1, 1], [-2, 'x'], [-3, 'y']) }],
    ['a key that is a number', { coseKey: 7 }],
    ['a key that is an array', { coseKey: [1, 2, 3] }],
    [
      'an RSA exponent of 3',
      { coseKey: cose([1, 3], [3, -257], [-1, modulus], [-2, Buffer.from([3])]) },
    ],
    ['an id that is short', { attestedId: Buffer.alloc(8, 1) }],
    ['an id that is endless', { attestedId: Buffer.alloc(1024, 1) }],
    ['another id within', { attestedId: Buffer.alloc(32, 1) }],
    ['an unknown format', { format: 'android-nonsense' }],
    ['a statement where there is to be none', { statement: new Map([['alg', -7]]) }],
    ['a statement that is no map', { statement: [] }],
    ['a format without its statement', { format: 'packed' }],
    ['a format of certificates without any', { format: 'tpm' }],
  ];

  it.each(KEYS)('with %s is refused, and keeps nothing', async (_name, deviation) => {
    const id = deviation.attestedId?.toString('base64url');
    const named = id === undefined || _name === 'another id within' ? {} : { id, rawId: id };
    const { res, kept } = await attempt((key, options) => ({
      ...key.create(options, deviation),
      ...named,
    }));
    expectRefusal(res, id !== undefined && id.length > 1364 ? [400] : [403]);
    expect(kept).toEqual([]);
  });

  it('with an RSA key of 1024 bits is refused', async () => {
    const { res, kept } = await attempt((key, options) => key.create(options), {
      ...{ algorithm: 'RS256', rsaBits: 1024 },
    });
    expectRefusal(res, [403]);
    expect(kept).toEqual([]);
  });

  it('attested by its own key is taken, since browsers let that through, and forged it is not', async () => {
    const taken = await attempt((key, options) => key.create(options, { selfAttested: true }));
    expect(taken.res.status).toBe(200);
    const statement = new Map<string, Cbor>([
      ['alg', -7],
      ['sig', Buffer.alloc(70, 1)],
    ]);
    const forged = await attempt((key, options) =>
      key.create(options, { format: 'packed', statement }),
    );
    expectRefusal(forged.res, [403]);
  });

  it.each(['packed', 'fido-u2f', 'android-key', 'android-safetynet', 'apple', 'tpm'])(
    'attested by a certificate (%s) is refused: nobody asked, and its lists are not fetched',
    async (format) => {
      const { res, kept } = await attempt((key, options) =>
        key.create(options, { format, attest: certify }),
      );
      expectRefusal(res, [403]);
      expect(kept).toEqual([]);
    },
  );

  const chance = (seed: number, length: number) =>
    Buffer.from(Array.from({ length }, (_, at) => (seed * 7919 + at * at * 104_729) % 256));
  const CBOR: [string, Buffer][] = [
    ['nothing but a head', Buffer.from([0xa3])],
    ['a map that never ends', Buffer.from([0xbf])],
    ['an array of 2^64 items', Buffer.from('9bffffffffffffffff', 'hex')],
    ['bytes of 2^64', Buffer.from('5bffffffffffffffff', 'hex')],
    ['deep nesting', Buffer.alloc(12_000, 0x81)],
    ['null', Buffer.from([0xf6])],
    ['a number', encodeCbor(7)],
    ['an array', encodeCbor([1, 2, 3])],
    ['an empty map', encodeCbor(new Map())],
    [
      'keys of __proto__',
      encodeCbor(
        new Map<string, Cbor>([
          ['__proto__', new Map()],
          ['fmt', 'none'],
        ]),
      ),
    ],
    [
      'authenticator data that is text',
      encodeCbor(
        new Map<string, Cbor>([
          ['fmt', 'none'],
          ['attStmt', new Map()],
          ['authData', 'x'.repeat(60)],
        ]),
      ),
    ],
    ...Array.from({ length: 20 }, (_, seed): [string, Buffer] => [
      `chance ${seed}`,
      chance(seed, 200),
    ]),
  ];

  it.each(CBOR)('of malformed CBOR, %s, is refused', async (_name, bytes) => {
    const { res, kept } = await attempt((key, options) => {
      const made = key.create(options);
      return { ...made, response: { ...made.response, attestationObject: b64(bytes) } };
    });
    expectRefusal(res, [403]);
    expect(kept).toEqual([]);
  });

  it.each([
    ['too many', Array(9).fill('usb')],
    ['endless', ['x'.repeat(33)]],
    ['with NUL', ['us\0b']],
    ['no texts', [7]],
    ['no array', 'usb'],
  ])('whose transports are %s is refused with 400', async (_name, transports) => {
    const { res } = await attempt((key, options) => {
      const made = key.create(options);
      return { ...made, response: { ...made.response, transports } };
    });
    expectRefusal(res, [400]);
  });

  it('with any of its bytes changed is refused, but for those that say nothing', async () => {
    const { token, staffId } = await seedTestUserAndToken();
    const { register, finish } = passkeyCalls(app, token);
    const { length } = newAuthenticator(deps).create((await register()).body).response
      .attestationObject;
    const rpIdHash = createHash('sha256').update('localhost').digest();
    for (let at = 0; at < (length * 3) / 4; at += 3) {
      // The test begins more registrations than one hour allows.
      await passEnrolmentHour();
      const made = newAuthenticator(deps).create((await register()).body);
      const bytes = Buffer.from(made.response.attestationObject, 'base64url');
      // The counter and the model follow hash and flags, and may have any value.
      const free = bytes.indexOf(rpIdHash) + 33;
      if (at >= free && at < free + 20) continue;
      bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
      const response = { ...made.response, attestationObject: b64(bytes) };
      expectRefusal(await finish({ ...made, response }), [403]);
    }
    expect(await passkeysOf(staffId)).toEqual([]);
  });
});

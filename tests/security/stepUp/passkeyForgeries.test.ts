import { DEVIATIONS } from '@/tests/helpers/passkeys/deviations';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { seedHolder } from '@/tests/helpers/passkeys/passkeyCalls';
import type { SoftAuthenticator } from '@/tests/helpers/passkeys/softAuthenticator';
import { buildApp } from '@/tests/helpers/server/testApp';

const PURPOSE = 'data_export';
const node = buildApp();
const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

type Assertion = ReturnType<SoftAuthenticator['get']>;

describe('an authentication', () => {
  it.each(DEVIATIONS)('with %s is refused', async (_name, deviation) => {
    const { passkey, begin, prove } = await seedHolder(node);
    const options = (await begin(PURPOSE)).body;
    const res = await prove(passkey.get(options, deviation), PURPOSE);
    expectRefusal(res, [403]);
    expect(res.body).toMatchObject({ error: 'INVALID_PASSKEY', attemptsLeft: 4 });
    // The deviation was the only reason for the refusal.
    expect((await prove(passkey.get(options), PURPOSE)).status).toBe(200);
  });

  const FORGERIES: [string, (passkey: SoftAuthenticator, honest: Assertion) => unknown][] = [
    [
      'of a registration',
      (_, honest) => ({ ...honest.response, signature: b64(Buffer.alloc(70)) }),
    ],
    ['with a signature of nothing', () => ({ signature: 'AA' })],
    [
      'with a signature of something else',
      (key) => ({ signature: b64(key.sign(Buffer.from('x'))) }),
    ],
    ['with authenticator data cut off', () => ({ authenticatorData: b64(Buffer.alloc(36)) })],
    ['with a counter changed later', (_, { response }) => raise(response.authenticatorData)],
    ['with the handle of somebody else', () => ({ userHandle: b64(Buffer.alloc(16)) })],
    ['with the e-mail for a handle', () => ({ userHandle: b64(Buffer.from('a@example.com')) })],
  ];
  function raise(authenticatorData: string) {
    const bytes = Buffer.from(authenticatorData, 'base64url');
    bytes.writeUInt32BE(1000, 33);
    return { authenticatorData: b64(bytes) };
  }

  it.each(FORGERIES)('%s is refused', async (_name, forge) => {
    const { passkey, begin, prove } = await seedHolder(node);
    const options = (await begin(PURPOSE)).body;
    const honest = passkey.get(options);
    const forged = {
      ...honest,
      response: { ...honest.response, ...(forge(passkey, honest) as object) },
    };
    expectRefusal(await prove(forged, PURPOSE), [403]);
    expect((await prove(honest, PURPOSE)).status).toBe(200);
  });

  it('is no registration, and a registration is none', async () => {
    const { passkey, begin, prove } = await seedHolder(node);
    const options = (await begin(PURPOSE)).body;
    const created = passkey.create({ ...options, rp: { id: 'localhost' }, user: { id: 'AA' } });
    expectRefusal(await prove(created, PURPOSE), [400]);
    // The client data of a creation, signed as an assertion.
    const typed = passkey.get(options, { type: 'webauthn.create', userHandle: null });
    expectRefusal(await prove(typed, PURPOSE), [403]);
    expect((await prove(passkey.get(options, { userHandle: null }), PURPOSE)).status).toBe(200);
  });

  const SHAPES: [string, unknown][] = [
    ['null', null],
    ['a text', 'passkey'],
    ['an array', []],
    ['empty', {}],
    ['without a response', { id: 'AAAA', rawId: 'AAAA', type: 'public-key' }],
    ['of another type', shape({ type: 'password' })],
    ['with an id in base64', shape({ id: 'a+/=', rawId: 'a+/=' })],
    ['with an empty id', shape({ id: '', rawId: '' })],
    ['with an endless id', shape({ id: 'A'.repeat(1365), rawId: 'A'.repeat(1365) })],
    ['with a number for an id', shape({ id: 7, rawId: 7 })],
    ['with endless client data', shape({}, { clientDataJSON: 'A'.repeat(4097) })],
    ['with an endless signature', shape({}, { signature: 'A'.repeat(1025) })],
    ['with endless authenticator data', shape({}, { authenticatorData: 'A'.repeat(4097) })],
    ['with NUL', shape({}, { signature: 'AA\0' })],
    ['with bytes for text', shape({}, { clientDataJSON: { 0: 1, length: 1 } })],
    ['with a handle that is no text', shape({}, { userHandle: 7 })],
  ];
  function shape(credential: object, response: object = {}) {
    const signed = { clientDataJSON: 'e30', authenticatorData: 'AAAA', signature: 'AAAA' };
    const honest = { id: 'A'.repeat(43), rawId: 'A'.repeat(43), type: 'public-key' };
    return { ...honest, ...credential, response: { ...signed, ...response } };
  }

  it.each(SHAPES)('that is %s is refused with 400 and takes no try', async (_name, response) => {
    const { passkey, begin, prove } = await seedHolder(node);
    const options = (await begin(PURPOSE)).body;
    expectRefusal(await prove(response, PURPOSE), [400]);
    const wrong = await prove(passkey.get(options, { userVerified: false }), PURPOSE);
    expect(wrong.body.attemptsLeft).toBe(4);
  });

  it('comes with a code or without, and one of both there must be', async () => {
    const { passkey, begin, prove } = await seedHolder(node);
    const response = passkey.get((await begin(PURPOSE)).body);
    expectRefusal(await prove(response, PURPOSE, { code: '123456' }), [400]);
    expectRefusal(await prove(undefined, PURPOSE), [400]);
    expect((await prove(response, PURPOSE)).status).toBe(200);
  });

  it('with another id than its raw one is refused', async () => {
    const { passkey, begin, prove } = await seedHolder(node);
    const response = passkey.get((await begin(PURPOSE)).body);
    expectRefusal(await prove({ ...response, rawId: 'AAAA' }, PURPOSE), [403]);
  });
});

import { createLogger } from '@/server/logger';
import {
  newAuthenticator,
  passkeyCalls,
  seedHolder,
  signIn,
} from '@/tests/helpers/passkeys/passkeyCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const written: string[] = [];
const stream = { write: (line: string) => void written.push(line) };
const logger = createLogger({ logLevel: 'info' }, stream);
const node = buildApp({}, { logger });
const SEEN = 'https://app.example.com:8443';

const refusals = () =>
  written
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => String(msg).includes('because the origin'));
const expected = {
  expectedOrigins: node.deps.config.webauthn?.origins,
  seenOrigin: SEEN,
  correlationId: expect.any(String),
};

describe('the log names the expected and the seen origin of a passkey that is refused for it', () => {
  beforeEach(() => written.splice(0));

  it('when it is registered', async () => {
    const member = await seedTestUserAndToken();
    const calls = passkeyCalls(node.app, await signIn(node.app, member));
    const authenticator = newAuthenticator(node.deps);
    const offer = await calls.register();
    const res = await calls.finish(authenticator.create(offer.body, { origin: SEEN }));
    expect([res.status, res.body.error]).toEqual([403, 'INVALID_PASSKEY']);
    expect(refusals()).toEqual([expect.objectContaining(expected)]);
    // The answer must not reveal what the server expects.
    expect(res.text).not.toContain('example');
  });

  it('when it proves something', async () => {
    const holder = await seedHolder(node);
    const { body } = await holder.begin('data_export');
    const passkey = holder.passkey.get(body, { origin: SEEN });
    const res = await holder.prove(passkey, 'data_export');
    expect([res.status, res.body.error]).toEqual([403, 'INVALID_PASSKEY']);
    expect(refusals()).toEqual([expect.objectContaining(expected)]);
  });

  it('and is silent about one that is refused for something else, and short about an endless one', async () => {
    const holder = await seedHolder(node);
    const { body } = await holder.begin('data_export');
    const other = { ...body, challenge: 'AAAA' };
    await holder.prove(holder.passkey.get(other), 'data_export').expect(403);
    expect(refusals()).toEqual([]);
    const again = await holder.begin('data_export');
    const endless = holder.passkey.get(again.body, { origin: `https://${'a'.repeat(1000)}` });
    await holder.prove(endless, 'data_export').expect(403);
    expect(String(refusals()[0]?.['seenOrigin'])).toHaveLength(300);
  });
});

import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { knownAddresses, knownDevices } from '@/server/db/schema';
import { lookForFamiliar } from '@/server/security';
import { login } from '@/tests/helpers/http/authCalls';
import { signInByProvider } from '@/tests/helpers/people/provenMember';
import { HOME } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const { app, deps } = openNode();
const IP = HOME['x-forwarded-for'];

/** What is familiar of a login with the password, on any device that the person has used. */
async function familiarTo({ email, userId }: SeededAuth) {
  const devices = await db.select().from(knownDevices).where(eq(knownDevices.userId, userId));
  const cookieDeviceHashes = devices.map(({ deviceHash }) => deviceHash);
  const ctx = { ...operatorContext, ip: IP };
  const { device, network } = await lookForFamiliar(deps, ctx, { email, cookieDeviceHashes });
  return { device, network };
}

const taughtTo = ({ staffId }: SeededAuth) =>
  db.select().from(knownAddresses).where(eq(knownAddresses.staffId, staffId));

describe('a device and a network of sign-ins through a provider', () => {
  it('are not familiar to the password, which works in other tenants too', async () => {
    const member = await seedTestUserAndToken();
    await signInByProvider(deps, member, { ip: IP });
    expect(await taughtTo(member)).toMatchObject([{ byProvider: true }]);
    expect(await familiarTo(member)).toEqual({ device: false, network: false });
  });

  it('are familiar once the person has signed in there with their password', async () => {
    const member = await seedTestUserAndToken();
    await signInByProvider(deps, member, { ip: IP });
    expect((await login(app, member, HOME)).status).toBe(200);
    expect(await familiarTo(member)).toEqual({ device: true, network: true });
    await signInByProvider(deps, member, { ip: IP });
    expect(await familiarTo(member)).toEqual({ device: true, network: true });
  });
});

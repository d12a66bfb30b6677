import { createGuard } from '@/guard';
import { untilStats } from '@/tests/helpers/guard/fakeGatehouse';
import { listen } from '@/tests/helpers/http/listen';
import { ELSEWHERE, OFFICE, OFFICE_RANGE, allow, setRules } from '@/tests/helpers/people/addressed';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { closeLater } from '@/tests/helpers/server/closing';
import { buildApp } from '@/tests/helpers/server/testApp';

const [node, other] = [buildApp(), buildApp()];

it('a guard goes by new IP rules as soon as it hears of them, also from a node that had not read them', async () => {
  const serviceKey = await makeServiceKey(node.deps, ['introspect']);
  const guard = createGuard({
    ...{ url: await listen(node.app), serviceKey, maxStalenessMs: 60_000 },
    fetch: (input, init) =>
      fetch((input as URL).href.replace(/heartbeatMs=\d+/, 'heartbeatMs=100'), init),
  });
  closeLater(() => guard.close());
  await untilStats(guard, ({ stalenessMs }) => stalenessMs !== null);
  const officer = await seedOfficer();
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId });
  const ask = (address: string) => guard.decide(`Bearer ${member.token}`, {}, { address });
  const refusal = { status: 403, body: { error: 'IP_BLOCKED' } };
  expect(await ask(ELSEWHERE)).toMatchObject({ allowed: true, source: 'asked' });
  for (const range of [OFFICE_RANGE, '203.0.113.0/28']) {
    await setRules(other.app, officer, [allow(range)]);
    await untilStats(guard, ({ kept }) => kept === 0);
    // The guard asks at once, and keeps the answer: the node must not answer from its memory.
    expect(await ask(ELSEWHERE)).toMatchObject({ allowed: false, refusal });
    expect(await ask(OFFICE)).toMatchObject({ allowed: true, source: 'asked' });
    expect(await ask(OFFICE)).toMatchObject({ allowed: true, source: 'kept' });
  }
});

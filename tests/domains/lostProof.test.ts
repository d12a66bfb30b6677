import { auditOf } from '@/tests/helpers/database/authRows';
import { RCODE, startDnsServer } from '@/tests/helpers/dns/dnsServer';
import type { DnsServer, Zone } from '@/tests/helpers/dns/dnsServer';
import {
  addDomain,
  age,
  checkDomain,
  openDomainNode,
  proveDomain,
  readDomain,
} from '@/tests/helpers/dns/domainCalls';
import type { ShownDomain } from '@/tests/helpers/dns/domainCalls';
import { mailsOf } from '@/tests/helpers/mail/mailRows';
import { MAY_ALL, seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import type { Node } from '@/tests/helpers/server/openNode';

const DAY = 24 * 60;
let dns: DnsServer;
let nodes: [Node, Node, Node];
beforeAll(async () => {
  dns = await startDnsServer();
  nodes = [openDomainNode(dns), openDomainNode(dns), openDomainNode(dns)];
});

/** Lets nodes look for what is due at the same time, until nothing is. */
async function lookOn(which: readonly Node[] = nodes): Promise<void> {
  for (const { deps } of which) deps.domainChecks.wake();
  await Promise.all(which.map(({ deps }) => deps.domainChecks.settle()));
}

interface Scene {
  officer: SeededAuth;
  proven: ShownDomain;
  /** Lets minutes pass, then lets the nodes look. @returns the domain */
  after: (minutes: number, which?: readonly Node[]) => Promise<ShownDomain | undefined>;
  set: (zone: Zone) => void;
}

async function seedProven(): Promise<Scene> {
  const officer = await seedOfficer();
  const proven = await proveDomain(nodes[0].app, dns, officer);
  return {
    officer,
    proven,
    async after(minutes, which) {
      await age(proven, minutes);
      await lookOn(which);
      return readDomain(nodes[0].app, officer, proven);
    },
    set: (zone) => dns.set(proven.record.name, zone),
  };
}

const looksAt = ({ proven }: Scene) =>
  dns.asked.filter((name) => name === proven.record.name).length;

const eventsOf = async ({ officer: { tenantId } }: Scene) => ({
  failing: await auditOf('DOMAIN_PROOF_FAILING', tenantId),
  lost: await auditOf('DOMAIN_PROOF_LOST', tenantId),
  proven: await auditOf('DOMAIN_PROVEN', tenantId),
});

const mailKinds = async (who: { staffId: string }) =>
  (await mailsOf(who)).map(({ kind }) => kind).filter((kind) => kind.startsWith('domain_'));

describe('a proven domain', () => {
  it('is looked for again after a day, by one node of many, and not before', async () => {
    const scene = await seedProven();
    const before = looksAt(scene);
    await scene.after(DAY - 1);
    expect(looksAt(scene)).toBe(before);
    const shown = await scene.after(2);
    expect(looksAt(scene)).toBe(before + 1);
    expect(shown).toMatchObject({ state: 'proven', finding: 'found' });
    expect((await eventsOf(scene)).proven).toHaveLength(1);
  });

  it('is looked for by the database’s time, whatever the time of a node', async () => {
    const scene = await seedProven();
    const late = openDomainNode(dns);
    late.clock.advance(30 * DAY * 60);
    const before = looksAt(scene);
    await lookOn([late]);
    expect(looksAt(scene)).toBe(before);
    scene.set(RCODE.nxDomain);
    const failing = await scene.after(DAY + 1, [late]);
    expect(failing?.state).toBe('failing');
    expect((await scene.after(61, [late]))?.state).toBe('failing');
  });

  it('fails when a look finds its record gone, and those who can set it again are told', async () => {
    const scene = await seedProven();
    const { tenantId } = scene.officer;
    const viewer = await seedTestUserAndToken({ tenantId, permissions: MAY_ALL.slice(0, 1) });
    const second = await seedTestUserAndToken({ tenantId, permissions: MAY_ALL });
    const stranger = await seedOfficer();
    scene.set([['something else']]);
    const shown = await scene.after(DAY + 1);
    expect(shown).toMatchObject({ state: 'failing', finding: 'differs', lostAt: null });
    const { failing } = await eventsOf(scene);
    expect(failing).toMatchObject([
      { actor: 'system', details: { domain: scene.proven.domain, finding: 'differs' } },
    ]);
    const { lostAfter } = failing[0]?.details as { lostAfter: string };
    const day = Date.parse(lostAfter) - Date.parse(shown?.failingSince ?? '');
    expect(day).toBe(86_400_000);
    expect(await mailKinds(scene.officer)).toStrictEqual(['domain_failing']);
    expect(await mailKinds(second)).toStrictEqual(['domain_failing']);
    expect(await mailKinds(viewer)).toStrictEqual([]);
    expect(await mailKinds(stranger)).toStrictEqual([]);
  });

  it('is whole again when the record comes back in time', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    await scene.after(DAY + 1);
    scene.set([[scene.proven.record.value]]);
    const shown = await scene.after(61);
    const { provenAt } = scene.proven;
    expect(shown).toMatchObject({ state: 'proven', failingSince: null });
    expect(shown?.provenAt).not.toBe(provenAt);
    const { proven, lost } = await eventsOf(scene);
    expect(proven).toMatchObject([
      { details: { before: 'waiting' } },
      { actor: 'system', details: { before: 'failing' } },
    ]);
    expect(lost).toStrictEqual([]);
  });

  it('is lost after a day and three looks, once, and told once, although many nodes look', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    await scene.after(DAY + 1);
    expect((await scene.after(12 * 60))?.state).toBe('failing');
    expect((await scene.after(11 * 60))?.state).toBe('failing');
    const shown = await scene.after(61);
    expect(shown).toMatchObject({ state: 'lost', finding: 'missing', failingSince: null });
    await scene.after(3 * DAY);
    const { failing, lost } = await eventsOf(scene);
    expect(failing).toHaveLength(1);
    expect(lost).toMatchObject([{ actor: 'system', details: { finding: 'missing', looks: 4 } }]);
    expect(await mailKinds(scene.officer)).toStrictEqual(['domain_failing', 'domain_lost']);
  });

  it('is not lost by two looks a day apart: a third one has to agree', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    await scene.after(DAY + 1);
    // No node ran in between.
    expect((await scene.after(5 * DAY))?.state).toBe('failing');
    expect((await scene.after(61))?.state).toBe('lost');
  });

  it('is not lost sooner because somebody asks for many looks', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    await scene.after(DAY + 1);
    await age(scene.proven, DAY + 1);
    const ask = () => checkDomain(nodes[0].app, scene.officer, scene.proven);
    const states = [];
    for (let round = 0; round < 5; round += 1) states.push((await ask()).body.state);
    expect(states).toStrictEqual(Array.from({ length: 5 }, () => 'failing'));
  });

  it.each([
    ['SERVFAIL', RCODE.servFail],
    ['REFUSED', RCODE.refused],
  ])('never loses its proof because DNS does not answer: %s', async (_title, code) => {
    const scene = await seedProven();
    scene.set(code);
    for (const minutes of [DAY + 1, 61, 61, 30 * DAY]) {
      const shown = await scene.after(minutes);
      expect(shown).toMatchObject({ state: 'proven', finding: 'unreachable' });
    }
    scene.set(RCODE.nxDomain);
    await scene.after(61);
    scene.set(code);
    for (const minutes of [61, 61, 30 * DAY]) {
      expect(await scene.after(minutes)).toMatchObject({
        state: 'failing',
        finding: 'unreachable',
      });
    }
    expect((await eventsOf(scene)).lost).toStrictEqual([]);
    expect(await mailKinds(scene.officer)).toStrictEqual(['domain_failing']);
  });

  it('tells once a day at most that it fails, although its servers disagree', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    await scene.after(DAY + 1);
    for (let round = 0; round < 3; round += 1) {
      scene.set([[scene.proven.record.value]]);
      await scene.after(61);
      scene.set(RCODE.nxDomain);
      await checkDomain(nodes[0].app, scene.officer, scene.proven);
    }
    const { failing } = await eventsOf(scene);
    expect(failing).toHaveLength(4);
    expect(await mailKinds(scene.officer)).toStrictEqual(['domain_failing']);
  });

  it('is free for another tenant once it is lost, and no longer for the first', async () => {
    const scene = await seedProven();
    const second = await seedOfficer();
    const wanted = await addDomain(nodes[1].app, second, scene.proven.domain);
    scene.set([[wanted.record.value]]);
    await scene.after(DAY + 1);
    const early = await checkDomain(nodes[1].app, second, wanted);
    expect(early.body).toMatchObject({ state: 'waiting', finding: 'taken' });
    await scene.after(5 * DAY);
    expect((await scene.after(61))?.state).toBe('lost');
    expect((await checkDomain(nodes[1].app, second, wanted)).body.state).toBe('proven');
    scene.set([[scene.proven.record.value], [wanted.record.value]]);
    const back = await checkDomain(nodes[0].app, scene.officer, scene.proven);
    expect(back.body).toMatchObject({ state: 'lost', finding: 'taken' });
  });

  it('is proven again after a loss by its record alone, when somebody asks', async () => {
    const scene = await seedProven();
    scene.set(RCODE.nxDomain);
    for (const minutes of [DAY + 1, 5 * DAY, 61]) await scene.after(minutes);
    scene.set([[scene.proven.record.value]]);
    expect((await scene.after(2 * DAY))?.state).toBe('lost');
    const { body } = await checkDomain(nodes[0].app, scene.officer, scene.proven);
    expect(body).toMatchObject({ state: 'proven', lostAt: null, failingSince: null });
    expect((await eventsOf(scene)).proven).toMatchObject([
      {},
      { actor: scene.officer.staffId, details: { before: 'lost' } },
    ]);
  });
});

describe('a look that takes long', () => {
  it('does not undo what a later look has found', async () => {
    const scene = await seedProven();
    await age(scene.proven, DAY + 1);
    scene.set(RCODE.nxDomain);
    const question = dns.hold();
    const slow = lookOn([nodes[0]]);
    const release = await question;
    scene.set([[scene.proven.record.value]]);
    await checkDomain(nodes[1].app, scene.officer, scene.proven);
    release();
    await slow;
    const shown = await readDomain(nodes[0].app, scene.officer, scene.proven);
    expect(shown).toMatchObject({ state: 'proven', finding: 'found' });
    expect((await eventsOf(scene)).failing).toStrictEqual([]);
  });

  it('that ends with its node is taken by another one after its lease', async () => {
    const scene = await seedProven();
    await age(scene.proven, DAY + 1);
    const question = dns.hold();
    const dying = lookOn([nodes[0]]);
    const release = await question;
    const before = looksAt(scene);
    await lookOn([nodes[1]]);
    expect(looksAt(scene)).toBe(before);
    await age(scene.proven, 11);
    await lookOn([nodes[1]]);
    expect(looksAt(scene)).toBeGreaterThan(before);
    release();
    await dying;
  });
});

import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { endMemberships } from '@/server/tenants';
import { liveSessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { login, me, refresh, refreshWithKey } from '@/tests/helpers/http/authCalls';
import { reset } from '@/tests/helpers/http/passwordCalls';
import { openEmailScene } from '@/tests/helpers/mail/emailScene';
import type { EmailScene } from '@/tests/helpers/mail/emailScene';
import { openResetLinks } from '@/tests/helpers/mail/resetLinks';
import type { ResetLinks } from '@/tests/helpers/mail/resetLinks';
import { givePasskey, passkeyCalls } from '@/tests/helpers/passkeys/passkeyCalls';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { as } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { openNode } from '@/tests/helpers/server/openNode';

const here = openNode();
const there = openNode();
const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();
const path = ({ staffId }: Pick<SeededAuth, 'staffId'>) => `/api/tenants/staff/${staffId}`;

/** Moves the end of a membership into the past. No node removes the member by itself here. */
async function pass({ staffId }: Pick<SeededAuth, 'staffId'>): Promise<void> {
  const endsAt = sql`clock_timestamp() - interval '1 second'`;
  await db.update(tenantStaff).set({ endsAt }).where(eq(tenantStaff.id, staffId));
}

const statusOf = async ({ staffId }: Pick<SeededAuth, 'staffId'>) =>
  (await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId)))[0]?.status;

let links: ResetLinks;
let mails: EmailScene;
beforeAll(async () => {
  [links, mails] = await Promise.all([openResetLinks(), openEmailScene()]);
});

const challengeOf = async (who: Traveller) => {
  const { body } = await attemptLogin(here.app, who, ABROAD);
  return String(body.challengeId);
};

describe('what was begun before the end of a membership is refused after it', () => {
  it('a refresh whose answer was lost', async () => {
    const who = await seedTestUserAndToken();
    const key = 'a-key-of-the-client-0001';
    expect((await refreshWithKey(here.app, who.refreshToken, key)).status).toBe(200);
    expect((await refreshWithKey(there.app, who.refreshToken, key)).status).toBe(200);
    await pass(who);
    expect((await refreshWithKey(there.app, who.refreshToken, key)).status).toBe(401);
  });

  it('a sign-in that waits for its proof, and one that has it', async () => {
    const [waits, proven] = [await seedTraveller(here.app), await seedTraveller(here.app)];
    const [open, given] = [await challengeOf(waits), await challengeOf(proven)];
    expect((await answerChallenge(here, proven.secret, { challengeId: given })).status).toBe(200);
    await Promise.all([pass(waits), pass(proven)]);
    const answered = await answerChallenge(there, waits.secret, { challengeId: open });
    expect([401, 404]).toContain(answered.status);
    const again = await attemptLogin(there.app, proven, ABROAD, { challengeId: given });
    expect(again.status).toBe(401);
    const complete = request(there.app).post('/api/auth/login/complete').set(ABROAD);
    expect([401, 404, 409]).toContain((await complete.send({ challengeId: given })).status);
    for (const { staffId } of [waits, proven]) {
      expect(await liveSessionsOf(staffId)).toHaveLength(2);
    }
  });

  it('a proof with a passkey in a session', async () => {
    const who = await seedTestUserAndToken();
    const passkey = await givePasskey(here, who.token);
    const calls = passkeyCalls(here.app, who.token);
    const { body } = await calls.begin('security_settings');
    await pass(who);
    const proven = await calls.prove(passkey.get(body), 'security_settings');
    expect(proven.status).toBe(401);
  });

  it('a link for a new password', async () => {
    const { member, path: link } = await links.forgetful();
    await pass(member);
    expect((await request(links.other.app).get(link)).status).toBe(404);
    expect((await reset(links.other.app, link)).status).toBe(404);
    expect((await login(here.app, member)).status).toBe(401);
  });

  it('a change of their address', async () => {
    const asked = await mails.asked();
    await pass(asked.who);
    await mails.expectUnchanged(asked);
  });
});

describe('while user_sessions is missing', () => {
  it('a membership ends as well, and is removed', async () => {
    const who = await seedTestUserAndToken();
    const service = await makeServiceKey(here.deps, ['introspect']);
    await db.execute(
      sql`UPDATE tenant_staff SET ends_at = now() + interval '30 seconds' WHERE id = ${who.staffId}`,
    );
    await withoutTable('user_sessions', async () => {
      const { body } = await login(here.app, who);
      expect((await me(there.app, body.accessToken)).status).toBe(200);
      const ask = withKey(there.app, service).post('/api/token/introspect', {
        token: body.accessToken,
      });
      expect((await ask).body.expires_in).toBeLessThanOrEqual(30);
      await pass(who);
      expect((await me(there.app, body.accessToken)).status).toBe(401);
      expect((await refresh(there.app, body.refreshToken)).status).toBe(401);
      await endMemberships(there.deps);
      expect(await statusOf(who)).toBe('removed');
      expect((await refresh(there.app, body.refreshToken)).status).toBe(401);
    });
    expect((await me(there.app, who.token)).status).toBe(401);
  });
});

describe('a member with an end', () => {
  it('enables nobody for longer than their own time', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const guest = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    const other = await seedTestUserAndToken({ tenantId });
    await as(here.app, administrator)
      .put(`${path(guest)}/end`, { endsAt: inHours(2) })
      .expect(200);
    await as(here.app, administrator)
      .post(`${path(other)}/disable`, {})
      .expect(204);
    const enable = () => as(here.app, guest).post(`${path(other)}/enable`, {});
    expect((await enable()).body.error).toBe('NOT_YOURS_TO_GIVE');
    await as(here.app, administrator)
      .put(`${path(other)}/end`, { endsAt: inHours(1) })
      .expect(200);
    expect((await enable()).status).toBe(204);
  });

  it('is enabled by nobody after it', async () => {
    const administrator = await seedAdministrator();
    const guest = await seedTestUserAndToken({ tenantId: administrator.tenantId });
    await as(here.app, administrator)
      .post(`${path(guest)}/disable`, {})
      .expect(204);
    await pass(guest);
    await as(here.app, administrator)
      .post(`${path(guest)}/enable`, {})
      .expect(404);
    expect(await statusOf(guest)).toBe('disabled');
  });
});

describe('an approval', () => {
  it('of access for a time is none of access for longer', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    const guest = await seedTestUserAndToken({ tenantId: ann.tenantId });
    await demandApprovals(here.app, ann);
    const membershipEndsAt = inHours(1);
    const end = (endsAt: string | null) => as(here.app, ann).put(`${path(guest)}/end`, { endsAt });
    const ask = async () => {
      const body = { roles: [], permissions: ['SETTINGS_SECURITY_EDIT'] };
      const { body: asked } = await as(here.app, ann).put(`${path(guest)}/roles`, body);
      expect(asked.approval.effect).toMatchObject({ membershipEndsAt });
      return `/api/tenants/approvals/${String(asked.approval.id)}/approve`;
    };
    await end(membershipEndsAt).expect(200);
    const approve = await ask();
    await end(null).expect(200);
    const refused = await as(there.app, bob).post(approve, {});
    expect([refused.status, refused.body.error]).toEqual([409, 'APPROVAL_OUTDATED']);
    await end(membershipEndsAt).expect(200);
    expect((await as(there.app, bob).post(await ask(), {})).status).toBe(200);
  });
});

describe('the removal of the members whose time is over', () => {
  it('reaches every one, however many before them cannot be removed', async () => {
    const [poison, who] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const { tenantId } = poison;
    await db.execute(sql`WITH people AS (
        INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), 'poison-' || n || '@example.com', 'none'
        FROM generate_series(1, 101) n RETURNING id)
      INSERT INTO tenant_staff (id, tenant_id, user_id, ends_at)
      SELECT gen_random_uuid(), ${tenantId}, id, now() - interval '1 day' FROM people`);
    await db.execute(
      sql.raw(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$BEGIN RAISE EXCEPTION 'this member stays'; END$$;
      CREATE TRIGGER refuse BEFORE UPDATE ON tenant_staff FOR EACH ROW
      WHEN (OLD.tenant_id = '${tenantId}') EXECUTE FUNCTION refuse()`),
    );
    await pass(who);
    await expect(endMemberships(here.deps)).rejects.toThrow();
    await db.execute(sql`DROP TRIGGER refuse ON tenant_staff`);
    expect(await statusOf(who)).toBe('removed');
  });
});

describe('an end that was written by SQL', () => {
  it.each(['infinity', '-infinity'])('as %s keeps nobody from removing the member', async (end) => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const who = await seedTestUserAndToken({ tenantId });
    await db.execute(sql`UPDATE tenant_staff SET ends_at = ${end} WHERE id = ${who.staffId}`);
    if (end === 'infinity') await as(here.app, administrator).del(path(who)).expect(204);
    else await endMemberships(here.deps);
    expect(await statusOf(who)).toBe('removed');
  });

  it('as infinity leaves its member free to act', async () => {
    const who = await seedAdministrator();
    const other = await seedTestUserAndToken({ tenantId: who.tenantId });
    await db.execute(sql`UPDATE tenant_staff SET ends_at = 'infinity' WHERE id = ${who.staffId}`);
    await as(here.app, who)
      .put(`${path(other)}/end`, { endsAt: inHours(1) })
      .expect(200);
    await as(here.app, who)
      .put(`${path(other)}/end`, { endsAt: null })
      .expect(200);
  });
});

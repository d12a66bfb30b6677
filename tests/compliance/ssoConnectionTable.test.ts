import { eq } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';
import type { AuditAction } from '@/server/audit';
import { db } from '@/server/db';
import { ssoConnections } from '@/server/db/schema';
import { readSsoSettings } from '@/server/config/ssoSettings';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';
import { startProvider } from '@/tests/helpers/sso/provider';
import { verify } from '@/tests/verifier/verifyFile';

const PATH = '/api/tenants/sso';
const FILE = 'sso-connections.csv';
const TODAY = { from: utcToday(), to: utcToday(), format: 'csv' };
const [FEBRUARY, MARCH, APRIL, MAY] = (
  [
    ['02-01', '02-28'],
    ['03-01', '03-31'],
    ['04-01', '04-30'],
    ['05-01', '05-31'],
  ] as const
).map(([from, to]) => ({ from: `2025-${from}`, to: `2025-${to}`, format: 'csv' }));
const instant = (text: string) => at(text).toISOString();

let app: ReturnType<typeof buildApp>['app'];
let provider: Awaited<ReturnType<typeof startProvider>>;
beforeAll(async () => {
  provider = await startProvider();
  ({ app } = buildApp(readSsoSettings({ SSO_ALLOWED_HOSTS: provider.place })));
});

type Officer = Awaited<ReturnType<typeof seedOfficer>>;
type Row = Record<string, string>;
const shownBy = (rows: Row[], isState: boolean) =>
  rows.filter((row) => (row['shows'] === 'connection') === isState);

async function connect(officer: Officer, clientId: string, clientSecret: string): Promise<string> {
  const body = { name: 'Okta', issuer: provider.origin, clientId, clientSecret };
  const res = await as(app, officer).post(PATH, body);
  if (res.status !== 201) throw new Error(res.text);
  return (res.body as { id: string }).id;
}

const endpoints = (host: string) => ({
  ...{ authorization: `https://${host}/a`, token: `https://${host}/t` },
  ...{ jwks: `https://${host}/k`, endSession: null },
});
const properties = (host: string, more: object = {}) => ({
  ...{ name: 'Okta', issuer: `https://${host}`, clientId: 'c', tokenAuth: 'basic', alg: 'RS256' },
  ...{ requiredHostedDomain: null, endpoints: endpoints(host), ...more },
});

/** Writes the row of a connection to new.example as SQL would, without an event. @returns its id */
async function writeRow(
  tenantId: string,
  more: Partial<typeof ssoConnections.$inferInsert>,
): Promise<string> {
  const id = randomUUID();
  const { authorization, token, jwks } = endpoints('new.example');
  await db.insert(ssoConnections).values({
    ...{ id, tenantId, name: 'Okta', issuer: 'https://new.example', clientId: 'c' },
    ...{ tokenAuth: 'basic', alg: 'RS256', metadataAt: at('02-10T00:00:00') },
    metadata: { authorization_endpoint: authorization, token_endpoint: token, jwks_uri: jwks },
    ...{ secretSealed: Buffer.from('sealed'), secretKeyId: 'x', ...more },
  });
  return id;
}

const teller =
  (id: string) => (action: AuditAction, when: string, details: Record<string, unknown>) => ({
    ...{ action, details, subject: `sso-connection:${id}`, actor: 'ann', occurredAt: at(when) },
  });

describe('sso-connections.csv', () => {
  it('has each connection, and each event with who caused it, never a secret, and is sound', async () => {
    const officer = await seedOfficer();
    const { staffId, email } = officer;
    const secrets = ['first-secret-of-all', 'other-secret-of-all', 'last-secret-of-all'] as const;
    const kept = await connect(officer, 'kept', secrets[0]);
    const gone = await connect(officer, 'gone', secrets[1]);
    await as(app, officer).put(`${PATH}/${kept}`, { name: '=Okta' });
    await as(app, officer).post(`${PATH}/${kept}/secret`, { clientSecret: secrets[2] });
    await as(app, officer).del(`${PATH}/${gone}`);
    const { table, zip, manifest, files } = await downloadEvidence(app, officer, TODAY);
    const rows = table(FILE);
    const made = {
      ...{ created_by: staffId, created_by_email: email, issuer: provider.origin, alg: 'ES256' },
      ...{ token_auth: 'basic', record: 'recorded', leaf_index: '' },
    };
    const rotation = rows.find(({ shows }) => shows === 'secret_rotated');
    expect(shownBy(rows, true)).toMatchObject([
      {
        ...{ ...made, connection_id: kept, client_id: 'kept', name: "'=Okta", deleted_at: '' },
        ...{ secret_changed_at: rotation?.['occurred_at'], deleted_by: '' },
      },
      {
        ...{ ...made, connection_id: gone, client_id: 'gone', deleted_by: staffId },
        ...{ deleted_by_email: email, deleted_at: rows.at(-1)?.['occurred_at'] },
      },
    ]);
    const by = { actor: staffId, actor_email: email, via: 'api' };
    expect(shownBy(rows, false)).toMatchObject([
      { ...by, shows: 'created', connection_id: kept, name: 'Okta', name_before: '' },
      { ...by, shows: 'created', connection_id: gone, issuer: provider.origin },
      { ...by, shows: 'changed', connection_id: kept, name: "'=Okta", name_before: 'Okta' },
      { ...by, shows: 'secret_rotated', connection_id: kept, name: '' },
      { ...by, shows: 'deleted', connection_id: gone, issuer_before: provider.origin, issuer: '' },
    ]);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
    const everything = [...files.values()].map(String).join('');
    for (const secret of secrets) expect(everything).not.toContain(secret);
  });

  it('has a draft without client id and secret, and one that became ready with the time of its secret', async () => {
    const officer = await seedOfficer();
    const body = { name: 'Okta', issuer: provider.origin };
    const { body: draft } = await as(app, officer).post(PATH, body).expect(201);
    const { body: ready } = await as(app, officer).post(PATH, body).expect(201);
    const client = { clientId: 'c', clientSecret: 'a-secret-of-the-client' };
    await as(app, officer).put(`${PATH}/${ready.id}`, client).expect(200);
    const { table, zip, manifest } = await downloadEvidence(app, officer, TODAY);
    const changed = table(FILE).find(({ shows }) => shows === 'changed');
    expect(changed).toMatchObject({
      client_id: 'c',
      client_id_before: '',
      secret_replaced: 'true',
    });
    const changedAt = changed?.['occurred_at'];
    const recorded = { record: 'recorded' };
    expect(shownBy(table(FILE), true)).toMatchObject([
      { ...recorded, connection_id: draft.id, client_id: '', secret_changed_at: '' },
      { ...recorded, connection_id: ready.id, client_id: 'c', secret_changed_at: changedAt },
    ]);
    expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
  });

  it('has a closed month as it was at its end, whatever came later, and nothing of other tenants', async () => {
    const officer = await seedOfficer();
    await connect(await seedOfficer(), 'foreign', 'a-foreign-secret');
    const erased = { secretSealed: null, secretKeyId: null, deletedAt: at('05-20T00:00:00') };
    const id = await writeRow(officer.tenantId, {
      ...{ ...erased, createdAt: at('02-10T00:00:00'), secretChangedAt: at('05-10T00:00:00') },
    });
    const tell = teller(id);
    const [first, renamed] = [properties('old.example'), properties('old.example', { name: 'O' })];
    const last = properties('new.example');
    const other = { before: renamed, after: last, secretReplaced: true, via: 'api' };
    await writeEvents(officer.tenantId, [
      tell('SSO_CONNECTION_CREATED', '02-10T00:00:00', { after: first, via: 'api' }),
      tell('SSO_CONNECTION_SECRET_ROTATED', '03-05T00:00:00', { overlapSec: 60, via: 'api' }),
      tell('SSO_CONNECTION_UPDATED', '03-20T00:00:00', { before: first, after: renamed }),
      tell('SSO_CONNECTION_UPDATED', '04-02T00:00:00', other),
      tell('SSO_CONNECTION_SECRET_ROTATED', '05-10T00:00:00', { overlapSec: 0, via: 'api' }),
      tell('SSO_CONNECTION_DELETED', '05-20T00:00:00', { before: last, via: 'operator' }),
    ]);
    const stateIn = async (range: object = {}) => {
      const { table } = await downloadEvidence(app, officer, range);
      return shownBy(table(FILE), true).map((row) =>
        ['name', 'issuer', 'secret_changed_at', 'deleted_at', 'deleted_by', 'record'].map(
          (column) => row[column],
        ),
      );
    };
    const [old, now] = ['https://old.example', 'https://new.example'];
    const stands = ['', '', 'recorded'];
    expect(await stateIn(FEBRUARY)).toEqual([['Okta', old, instant('02-10T00:00:00'), ...stands]]);
    expect(await stateIn(MARCH)).toEqual([['O', old, instant('03-05T00:00:00'), ...stands]]);
    expect(await stateIn(APRIL)).toEqual([['Okta', now, instant('04-02T00:00:00'), ...stands]]);
    expect(await stateIn(MAY)).toEqual([
      ['Okta', now, instant('05-10T00:00:00'), instant('05-20T00:00:00'), 'ann', 'recorded'],
    ]);
    expect(await stateIn(TODAY)).toEqual([]);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    [
      'given another issuer',
      (id) =>
        db
          .update(ssoConnections)
          .set({ issuer: 'https://evil.example' })
          .where(eq(ssoConnections.id, id)),
    ],
    [
      'given another endpoint',
      (id) =>
        db
          .update(ssoConnections)
          .set({ metadata: { token_endpoint: 'https://evil.example' } })
          .where(eq(ssoConnections.id, id)),
    ],
    [
      'marked as deleted',
      (id) =>
        db
          .update(ssoConnections)
          .set({ secretSealed: null, secretKeyId: null, deletedAt: new Date() })
          .where(eq(ssoConnections.id, id)),
    ],
    ['removed', (id) => db.delete(ssoConnections).where(eq(ssoConnections.id, id))],
  ])('has a connection that was %s in the database itself as unrecorded', async (_how, change) => {
    const officer = await seedOfficer();
    const id = await connect(officer, 'c', 'a-secret-of-the-client');
    await change(id);
    const { table } = await downloadEvidence(app, officer, TODAY);
    expect(shownBy(table(FILE), true)).toMatchObject([
      { connection_id: id, record: 'unrecorded', created_by: officer.staffId },
    ]);
  });

  it('has a connection that was made in the database itself as unrecorded, also if it was changed later', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const id = await writeRow(tenantId, { createdAt: at('03-08T00:00:00') });
    const more = { clientId: 'changed', createdAt: at('03-09T00:00:00') };
    const changed = await writeRow(tenantId, more);
    const before = properties('new.example', { clientId: 'before' });
    const after = properties('new.example', { clientId: 'changed' });
    const details = { before, after, via: 'api' };
    await writeEvents(tenantId, [
      teller(changed)('SSO_CONNECTION_UPDATED', '03-10T00:00:00', details),
    ]);
    const { table } = await downloadEvidence(app, officer, MARCH ?? {});
    const bySql = { record: 'unrecorded', created_by: '', issuer: 'https://new.example' };
    expect(shownBy(table(FILE), true)).toMatchObject([
      { ...bySql, connection_id: id },
      { ...bySql, connection_id: changed },
    ]);
  });

  it('is made, and sound, although somebody has written events with odd details', async () => {
    const { tenantId, ...officer } = await seedOfficer();
    const actions = ['CREATED', 'UPDATED', 'SECRET_ROTATED', 'DELETED'];
    const odd: unknown[] = [
      ...[7, [1], 'x', { after: 7, before: [0.5], overlapSec: -1, secretReplaced: [true] }],
      { after: { name: '=1+1', issuer: -1, endpoints: null }, before: { endpoints: -1 } },
    ];
    const subjects = ['sso-connection:', 'sso-connection:🦊', 'x', null, 'sso-connection:1'];
    const events = actions.flatMap((action) =>
      odd.map((details, n) => ({
        ...{ action: `SSO_CONNECTION_${action}`, details, subject: subjects[n] },
        occurredAt: at('03-08T00:00:00'),
      })),
    );
    await writeEvents(tenantId, events as Parameters<typeof writeEvents>[1]);
    for (const range of [FEBRUARY, MARCH, APRIL]) {
      const { zip, manifest } = await downloadEvidence(app, officer, range ?? {});
      expect((await verify(zip, { keys: [manifest.key] })).found).toEqual([]);
    }
  });
});

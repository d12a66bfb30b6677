import { ACTIONS } from '../actions';
import { SEVERITIES, OCSF_CLASSES, OCSF_VERSION, activityId } from './classes';
import type { OcsfClassName } from './classes';
import { REPORTED_ACTION, UNKNOWN_ACTION } from './mapping';
import type { OcsfMapping } from './mapping';

/** The pieces of a line are SQL expressions of type text; concat() leaves out those that are null. */
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
const json = (sql: string) => `to_json(${sql})::text`;
/** Returns SQL for a member that is left out if it has no value. */
const member = (name: string, sql: string) => `',"${name}":' || ${json(sql)}`;
/** Returns SQL for epoch milliseconds, truncated and not rounded, like the other formats and the leaf. */
const epochMs = (sql: string) => `trunc(extract(epoch FROM ${sql}) * 1000)::bigint`;

const afterColon = `substr(e.subject, strpos(e.subject, ':') + 1)`;
const uidUser = (sql: string) => `concat('{"uid":', ${json(sql)}, ',"type":"User","type_id":1}')`;
const UNKNOWN_USER = (name: string) => `'{"name":"${name}","type":"Unknown","type_id":0}'`;

const IS_OPERATOR = `e.actor LIKE 'operator:%'`;
const IS_SERVICE = `e.actor LIKE 'service:%'`;
/** OCSF has no type for a program that acts for nobody. */
const SERVICE_USER = `concat('{"uid":', ${json('substr(e.actor, 9)')}, ',"type":"Service","type_id":99}')`;
/** A reported name proves nothing, so it never becomes the id of a user. */
const IS_REPORTED = `e.actor LIKE 'reported:%'`;
const REPORTED_USER = `concat('{"name":', ${json('substr(e.actor, 10)')}, ',"type":"Unknown","type_id":0}')`;
const ACTOR_USER = `CASE e.actor WHEN 'system' THEN '{"name":"system","type":"System","type_id":3}'
  WHEN 'anonymous' THEN ${UNKNOWN_USER('anonymous')} ELSE
    CASE WHEN ${IS_OPERATOR} THEN concat('{"name":', ${json('substr(e.actor, 10)')}, ',"type":"Admin","type_id":2}')
      WHEN ${IS_SERVICE} THEN ${SERVICE_USER} WHEN ${IS_REPORTED} THEN ${REPORTED_USER} ELSE ${uidUser('e.actor')} END END`;
const ACTOR = `concat('{"user":', ${ACTOR_USER}, ',"session":{"uid":"' || e.session_id || '"}', '}')`;
/** The account's owner. A failed login provides no more than a keyed hash of the e-mail. */
const USER = `CASE WHEN e.subject LIKE 'staff:%' THEN ${uidUser(afterColon)}
  WHEN e.subject LIKE 'user:%' OR e.subject LIKE 'account:%' THEN concat('{"account":{"uid":', ${json(afterColon)}, '},"type":"Unknown","type_id":0}')
  WHEN e.actor IN ('system', 'anonymous') OR ${IS_OPERATOR} OR ${IS_SERVICE} THEN ${UNKNOWN_USER('unknown')} ELSE ${uidUser('e.actor')} END`;
const IMPERSONATED = `CASE WHEN e.on_behalf_of IS NULL THEN ${USER} ELSE ${uidUser('e.on_behalf_of')} END`;

const ENDPOINT = `'{"ip":' || ${json('e.ip')} || coalesce(',"location":{"country":' || ${json('e.country::text')} || '}', '') || '}'`;
const HTTP = `'{"user_agent":' || ${json('e.user_agent')} || '}'`;
const SUBJECT_SESSION = `CASE WHEN e.subject LIKE 'session:%' THEN ${afterColon} END`;

/** The origin of the request, for classes that have attributes for it. */
const ORIGIN = `${`',"src_endpoint":' || ${ENDPOINT}`}, ${`',"http_request":' || ${HTTP}`}`;
/** The origin of the request, for classes that have none. */
const BARE_ORIGIN = [
  member('ip', 'e.ip'),
  member('country', 'e.country::text'),
  member('user_agent', 'e.user_agent'),
];

const score = `',"risk_score":' || CASE jsonb_typeof(e.details->'score') WHEN 'number' THEN e.details->>'score' END`;
const FACTOR = `',"auth_factors":[' || CASE coalesce(e.details->>'factor', e.details->>'method')
  WHEN 'totp' THEN '{"factor_type":"OTP","factor_type_id":7,"is_totp":true}'
  WHEN 'passkey' THEN '{"factor_type":"WebAuthn","factor_type_id":10}'
  WHEN 'email' THEN '{"factor_type":"Email","factor_type_id":8}'
  WHEN 'recovery_code' THEN '{"factor_type":"Recovery Code","factor_type_id":99}' END || ']'`;

type Has = NonNullable<OcsfMapping['has']>[number];
const HAS: Readonly<Record<Has, string>> = {
  score,
  factor: FACTOR,
  mfa: `',"is_mfa":' || CASE jsonb_typeof(e.details->'stepUp') WHEN 'boolean' THEN e.details->>'stepUp' END`,
  alert: `',"is_alert":true'`,
  impersonation: `',"account_switch_type":"Impersonate","account_switch_type_id":2'`,
  evidence: `concat(',"evidences":[{"user":', ${USER}, ',"actor":', ${ACTOR}, ${ORIGIN}, '}]')`,
};

const product = (version: string) =>
  literal(JSON.stringify({ name: 'Gatehouse', vendor_name: 'Gatehouse', version }));

const EXPORT_OPERATION = [
  `',"api":{"operation":'`,
  json(`'export_' || coalesce(e.details->>'kind', 'data')`),
  `',"service":{"name":"Gatehouse"}}'`,
  `',"resources":[{"type":"Export","uid":' || ${json(afterColon)} || '}]'`,
];
const REPORTED_OPERATION = [
  `',"api":{"operation":'`,
  json('e.action'),
  `',"service":{"name":"Product"}}'`,
  `',"resources":[{"type":"Reported","uid":' || ${json('e.subject')} || '}]'`,
];

/** Returns the attributes that the schema requires or allows in this class, but not in others. */
function ofClass(mapping: OcsfMapping, version: string): readonly string[] {
  const { entity, has = [], session } = mapping;
  const impersonated = has.includes('impersonation');
  const whose = session ?? 'actor';
  const uid =
    whose === 'subject' ? SUBJECT_SESSION : `coalesce(${SUBJECT_SESSION}, e.session_id::text)`;
  const actor = [`',"actor":'`, ACTOR];
  const user = [`',"user":'`, impersonated ? IMPERSONATED : USER];
  const typeId = entity?.type === 'Policy' ? 5 : entity?.type === 'Organization' ? 4 : 99;
  const pieces: Readonly<Record<OcsfClassName, readonly string[]>> = {
    base: actor,
    finding: [
      `',"finding_info":{"uid":"'`,
      'e.id',
      literal(`",${JSON.stringify({ title: mapping.message }).slice(1)}`),
    ],
    account: [...actor, ...user, ORIGIN],
    authentication: [
      ...actor,
      ...user,
      `',"service":{"name":"Gatehouse"}'`,
      `',"session":{"uid":' || ${json(uid)} || '}'`,
      ORIGIN,
    ],
    entity: [
      ...actor,
      literal(`,"entity":{${JSON.stringify({ ...entity, type_id: typeId }).slice(1, -1)}`),
      member('uid', afterColon),
      `'}'`,
      ORIGIN,
    ],
    lifecycle: [...actor, `',"app":'`, product(version)],
    api: [
      ...actor,
      ...(mapping.reported ? REPORTED_OPERATION : EXPORT_OPERATION),
      `',"src_endpoint":'`,
      `coalesce(${ENDPOINT}, '{"name":"unknown"}')`,
      `',"http_request":' || ${HTTP}`,
    ],
    error: actor,
  };
  return pieces[mapping.class];
}

const DISPOSITIONS = { Blocked: 2, Challenge: 23 } as const;

function profileOf({ class: className, disposition }: OcsfMapping): string | undefined {
  if (disposition) return 'security_control';
  return ['base', 'lifecycle', 'error'].includes(className) ? 'host' : undefined;
}

/**
 * Returns the part that is the same for all events of a mapping. It also closes `metadata`, which names the profile
 * in use.
 */
function constants(mapping: OcsfMapping): string {
  const { class: className, activity, severity, message, disposition } = mapping;
  const { uid, name, category } = OCSF_CLASSES[className];
  const id = activityId(className, activity);
  const profile = profileOf(mapping);
  const attributes = {
    class_uid: uid,
    class_name: name,
    category_uid: category.uid,
    category_name: category.name,
    activity_id: id,
    activity_name: activity,
    type_uid: uid * 100 + id,
    type_name: `${name}: ${activity}`,
    severity_id: SEVERITIES[severity],
    severity,
    message,
    ...(className === 'finding' ? { status_id: 1, status: 'New' } : {}),
    ...(disposition && {
      action_id: 2,
      action: 'Denied',
      disposition_id: DISPOSITIONS[disposition],
      disposition,
    }),
  };
  const profiles = profile === undefined ? '' : `,"profiles":["${profile}"]`;
  return literal(`${profiles}},${JSON.stringify(attributes).slice(1, -1)}`);
}

const STATUS = `CASE e.outcome WHEN 'success' THEN ',"status_id":1,"status":"Success"' ELSE ',"status_id":2,"status":"Failure"' END`;
const STATUS_DETAIL = `CASE e.outcome WHEN 'success' THEN NULL ELSE ${member('status_detail', `coalesce(e.details->>'reason', e.details->>'cause')`)} END`;
const HAS_ORIGIN: readonly OcsfClassName[] = ['account', 'authentication', 'entity', 'api'];

/** @returns an SQL expression for everything that depends on the action */
function write(mapping: OcsfMapping, version: string): string {
  const { class: className, has = [] } = mapping;
  const isFinding = className === 'finding';
  const placed = HAS_ORIGIN.includes(className) || has.includes('evidence');
  return `concat(${[
    constants(mapping),
    ...(isFinding ? [] : [STATUS]),
    ...ofClass(mapping, version),
    ...has.map((name) => HAS[name]),
    literal(`,"unmapped":{"details":`),
    'e.details',
    ...(placed ? [] : BARE_ORIGIN),
  ].join(', ')})`;
}

function branch(action: string, mapping: OcsfMapping, version: string): string {
  const { where } = mapping;
  const only = where
    ? ` AND e.details->${literal(where.detail)} = ${literal(JSON.stringify(where.is))}::jsonb`
    : '';
  return `WHEN e.action = ${literal(action)}${only} THEN ${write(mapping, version)}`;
}

/**
 * Returns an SQL expression that formats one event as one line of OCSF, over `e` (audit_logs) and `l` (its row of
 * audit_leaves).
 * @param release the release that writes the line
 */
export function ocsfLine(release: string): string {
  const branches = Object.entries(ACTIONS).flatMap(([action, { ocsf }]) =>
    [ocsf].flat().map((one) => branch(action, one, release)),
  );
  return `concat('{"time":', ${epochMs('e.occurred_at')},
    ',"metadata":{"version":"${OCSF_VERSION}","product":', ${product(release)},
    ',"log_name":"gatehouse/', l.log_id, '","sequence":', l.leaf_index, ',"logged_time":', ${epochMs('l.sealed_at')},
    ',"uid":"', e.id, '"', ${member('event_code', 'e.action')}, ${member('correlation_uid', 'e.correlation_id')},
    ',"tenant_uid":"' || e.tenant_id || '"',
    CASE ${branches.join('\n')} WHEN e.action LIKE 'app.%' THEN ${write(REPORTED_ACTION, release)} ELSE ${write(UNKNOWN_ACTION, release)} END,
    ${member('subject', 'e.subject')}, ${member('on_behalf_of', 'e.on_behalf_of')}, '},"status_code":"', e.outcome, '"',
    ${STATUS_DETAIL}, '}')`;
}

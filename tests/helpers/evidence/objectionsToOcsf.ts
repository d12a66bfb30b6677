import { ALWAYS_OPTIONAL, CLASSES, ENUMS, OBJECTS, PROFILES, VERSION } from './ocsfRequirements';

export type OcsfObject = Record<string, unknown>;

const isObject = (value: unknown): value is OcsfObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Rules {
  readonly required: readonly string[];
  readonly atLeastOne?: readonly string[] | undefined;
  readonly optional: readonly string[];
}

function checkMembers(path: string, object: OcsfObject, rules: Rules): string[] {
  const has = (name: string) => object[name] !== undefined && object[name] !== null;
  const known = [...rules.required, ...rules.optional];
  const { atLeastOne } = rules;
  return [
    ...rules.required.filter((name) => !has(name)).map((name) => `${path}.${name} is required`),
    ...Object.keys(object)
      .filter((name) => !known.includes(name))
      .map((name) => `${path}.${name} is not known`),
    ...Object.keys(object)
      .filter((name) => !has(name))
      .map((name) => `${path}.${name} is null`),
    ...(atLeastOne && !atLeastOne.some(has)
      ? [`${path} has none of ${atLeastOne.join(', ')}`]
      : []),
  ];
}

/**
 * Checks that a number is in its list, and that the name beside it belongs to that number. For 99
 * the source chooses the name.
 */
function checkEnums(path: string, holder: string, object: OcsfObject): string[] {
  return Object.entries(object).flatMap(([name, value]) => {
    const names = ENUMS[`${holder}.${name}`] ?? (holder === '' ? ENUMS[name] : undefined);
    if (!names) return [];
    const caption = object[name.replace(/_id$/, '')];
    if (value === 99 && typeof caption === 'string') {
      return Object.values(names).includes(caption) ? [`${path}.${name} is 99 for ${caption}`] : [];
    }
    return names[Number(value)] === caption
      ? []
      : [`${path}.${name}: ${String(value)}, ${String(caption)}`];
  });
}

function checkObjects(path: string, object: OcsfObject): string[] {
  return Object.entries(object).flatMap(([name, value]) => {
    const rules = OBJECTS[name];
    const objects = [value].flat().filter(isObject);
    if (!rules)
      return objects.length > 0 && name !== 'unmapped' ? [`${path}.${name} is no object`] : [];
    return objects.flatMap((one) => [
      ...checkMembers(`${path}.${name}`, one, rules),
      ...checkEnums(`${path}.${name}`, name, one),
      ...checkObjects(`${path}.${name}`, one),
    ]);
  });
}

/** @returns the faults of an event by the rules of OCSF; empty for a valid event */
export function objectionsToOcsf(event: OcsfObject): string[] {
  const { class_uid: uid, activity_id: id, activity_name: activity, metadata } = event;
  const rules = CLASSES[Number(uid)];
  if (!rules) return [`class ${String(uid)} is not known`];
  const profiles = isObject(metadata) ? ((metadata['profiles'] ?? []) as string[]) : [];
  const fromProfiles = profiles.flatMap((name) => PROFILES[name] ?? [`no profile ${name}`]);
  const expected = {
    class_name: rules.name,
    category_uid: rules.category[0],
    category_name: rules.category[1],
    type_uid: Number(uid) * 100 + Number(id),
    type_name: `${rules.name}: ${String(activity)}`,
  };
  const ofAll = Object.entries(event).filter(([name]) => !rules.statuses || name !== 'status_id');
  const own = rules.activities[Number(id)];
  return [
    ...checkMembers('event', event, {
      ...rules,
      optional: [...rules.optional, ...ALWAYS_OPTIONAL, ...fromProfiles],
    }),
    ...Object.entries(expected)
      .filter(([name, value]) => event[name] !== value)
      .map(([name, value]) => `event.${name} should be ${value}`),
    ...((id === 99 ? Object.values(rules.activities).includes(String(activity)) : own !== activity)
      ? [`event.activity_id: ${String(id)}, ${String(activity)}`]
      : []),
    ...(rules.statuses && rules.statuses[Number(event['status_id'])] !== event['status']
      ? [`event.status_id: ${String(event['status_id'])}, ${String(event['status'])}`]
      : []),
    ...(isObject(metadata) && metadata['version'] !== VERSION ? ['metadata.version'] : []),
    ...(Number.isInteger(event['time']) ? [] : ['event.time is no integer']),
    ...checkEnums('event', '', Object.fromEntries(ofAll)),
    ...checkObjects('event', event),
  ];
}

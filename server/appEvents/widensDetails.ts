import type { DetailField, DetailSchema } from './detailSchema';

type Text = Extract<DetailField, { type: 'string' }>;
type Objects = DetailSchema | Extract<DetailField, { type: 'object' }>;

function widensText(before: Text, after: Text): boolean {
  if ('enum' in before) {
    return before.enum.every((one) =>
      'enum' in after
        ? after.enum.includes(one)
        : 'maxLength' in after && one.length <= after.maxLength,
    );
  }
  if ('format' in before) return 'format' in after && after.format === before.format;
  return 'maxLength' in after && after.maxLength >= before.maxLength;
}

function widensObject(before: Objects, after: Objects): boolean {
  const mustHave = before.required ?? [];
  return (
    (after.required ?? []).every((name) => mustHave.includes(name)) &&
    Object.entries(before.properties).every(([name, field]) => {
      const kept = Object.hasOwn(after.properties, name) ? after.properties[name] : undefined;
      return kept !== undefined && widensField(field, kept);
    })
  );
}

function widensField(before: DetailField, after: DetailField): boolean {
  if (before.type === 'string' && after.type === 'string') return widensText(before, after);
  if (before.type === 'integer' && after.type === 'integer') {
    return after.minimum <= before.minimum && after.maximum >= before.maximum;
  }
  if (before.type === 'array' && after.type === 'array') {
    return after.maxItems >= before.maxItems && widensField(before.items, after.items);
  }
  if (before.type === 'object' && after.type === 'object') return widensObject(before, after);
  return before.type === 'boolean' && after.type === 'boolean';
}

/**
 * Returns whether a schema accepts everything that another one accepts, so that events of one name
 * always mean the same: fields may be added and limits raised.
 */
export const widensDetails = (before: DetailSchema, after: DetailSchema): boolean =>
  widensObject(before, after);

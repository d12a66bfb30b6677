import { z } from 'zod';
import { boundedArray } from './boundedArray';
import { storableText } from '../http/routeTable';
import type { DetailField, DetailSchema } from './detailSchema';

type ObjectField = Extract<DetailField, { type: 'object' }>;

const FORMATS = {
  uuid: z.guid(),
  date: z.iso.date(),
  'date-time': z.iso.datetime({ offset: true }),
};

function compileField(field: DetailField): z.ZodType {
  switch (field.type) {
    case 'boolean':
      return z.boolean();
    case 'integer':
      return z.int().min(field.minimum).max(field.maximum);
    case 'array':
      return boundedArray(compileField(field.items), field.maxItems);
    case 'object':
      return compileObject(field);
    case 'string':
      if ('enum' in field) return z.enum(field.enum);
      return 'format' in field ? FORMATS[field.format] : storableText(field.maxLength, 0);
  }
}

function compileObject({ properties, required = [] }: DetailSchema | ObjectField): z.ZodType {
  const fields = Object.entries(properties).map(([name, field]) => {
    const compiled = compileField(field);
    return [name, required.includes(name) ? compiled : compiled.optional()] as const;
  });
  return z.strictObject(Object.fromEntries(fields));
}

/** Returns the validator of details with this schema. A field that it does not name is refused. */
export const compileDetails = (schema: DetailSchema): z.ZodType => compileObject(schema);

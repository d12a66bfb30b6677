import { z } from 'zod';
import type { AppError, ErrorCode } from '../errors';
import type { Answer, AnswerHeader } from './answers';

/** The media type of RFC 7644 3.1. */
export const SCIM_JSON = 'application/scim+json';
const ERROR_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:Error';
const BELOW = /^\/scim\/v2(?:\/|$)/i;

/** Returns whether the answers at a path have the bodies of SCIM, errors too. */
export const speaksScim = (path: string): boolean => BELOW.test(path);

/** The schema of an error in the words of SCIM (RFC 7644 3.12). */
export const scimError = z
  .object({
    schemas: z.array(z.literal(ERROR_SCHEMA)),
    status: z.string().meta({ examples: ['400'] }),
    scimType: z
      .string()
      .optional()
      .meta({ examples: ['invalidValue'] }),
    detail: z.string(),
  })
  .meta({ id: 'ScimError' });

/** The words of SCIM for errors that every route can have. */
const TYPES: Partial<Record<ErrorCode, string>> = {
  MALFORMED_JSON: 'invalidSyntax',
  INVALID_INPUT: 'invalidValue',
};

const issuesOf = ({ extra }: AppError): string => {
  const { issues } = extra;
  if (!Array.isArray(issues)) return '';
  const known = issues as readonly { path: string; message: string }[];
  return known.map(({ path, message }) => ` ${path}: ${message}.`).join('');
};

/** Returns the body of an error in the words of SCIM. */
export function toScimError(error: AppError, title: string): z.output<typeof scimError> {
  const own = error.extra['scimType'];
  const scimType = typeof own === 'string' ? own : TYPES[error.code];
  return {
    schemas: [ERROR_SCHEMA],
    status: String(error.status),
    ...(scimType === undefined ? {} : { scimType }),
    detail: `${error.detail ?? `${title}.`}${issuesOf(error)}`,
  };
}

/** Describes an answer with a body of SCIM. */
export const scim = <Body>(
  description: string,
  body: z.ZodType<Body>,
  ...headers: AnswerHeader[]
): Answer<Body> => ({ description, content: { [SCIM_JSON]: body }, headers });

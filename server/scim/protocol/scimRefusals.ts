import { AppError } from '../../errors';

/** The words of RFC 7644, table 9, that the answers use. */
export type ScimType =
  'invalidFilter' | 'invalidPath' | 'invalidSyntax' | 'invalidValue' | 'mutability' | 'noTarget';

/** Builds the error for a request that SCIM does not allow. */
export const refuseScim = (scimType: ScimType, detail: string): AppError =>
  new AppError('SCIM_INVALID', { detail, extra: { scimType } });

/** Builds the error for a name that somebody else has, or that cannot be given (RFC 7644 3.12). */
export const notUnique = (detail: string): AppError =>
  new AppError('SCIM_CONFLICT', { detail, extra: { scimType: 'uniqueness' } });

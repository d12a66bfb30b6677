import { z } from 'zod';
import { BUILT_IN_PURPOSES } from './db/schema';

/** The schema of a purpose that the team has named, for example `app:delete_project`. */
export const appPurpose = z
  .templateLiteral(['app:', z.string().regex(/^[a-z0-9][a-z0-9._-]{0,59}$/)], {
    error: 'must be app: and 1 to 60 of a-z, 0-9, ., _ and -',
  })
  .meta({ examples: ['app:delete_project'] });

/** The schema of any purpose of a step-up. */
export const stepUpPurpose = z
  .union([z.enum(BUILT_IN_PURPOSES), appPurpose])
  .meta({ examples: ['security_settings'] });

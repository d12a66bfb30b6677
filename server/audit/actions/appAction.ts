import { z } from 'zod';

/** The schema of the action of an event of the team's own product. No action of ours is like it. */
export const appAction = z
  .string()
  .regex(
    /^app\.[a-z0-9][a-z0-9._-]{0,58}$/,
    'must be app. and 1 to 59 of a-z, 0-9, ".", "_" and "-", beginning with a letter or a digit',
  )
  .meta({ examples: ['app.project.deleted'] });

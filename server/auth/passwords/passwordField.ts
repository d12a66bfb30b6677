import { storableText } from '../../http/routeTable';

/** Counted in code points, which is close to what people call characters. */
export const MAX_PASSWORD = 1024;

/** A password that is compared with a stored one. A longer one never reaches a hash. */
export const passwordField = storableText(MAX_PASSWORD * 2)
  .refine((value) => [...value].length <= MAX_PASSWORD, {
    message: `must have at most ${MAX_PASSWORD} characters`,
  })
  .meta({ examples: ['correct horse battery staple'] });

/** A new password. The policy refuses one that is too short or too long, with its reasons. */
export const newPasswordField = storableText(MAX_PASSWORD * 4).meta({
  examples: ['violet otters juggle teacups'],
});

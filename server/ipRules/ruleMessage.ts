/** The message by which nodes tell each other that IP rules have changed. */
export const CHANGED = 'ip-rules';

/**
 * The characters that a spreadsheet takes for the start of a formula, with full-width forms and line breaks, and the
 * apostrophe itself. A cell that starts with an apostrophe gets one more, so removing one always undoes the rule.
 */
export const GUARDED_STARTS = ["'", '=', '+', '-', '@', '\t', '\n', '\r', '＝', '＋', '－', '＠'];

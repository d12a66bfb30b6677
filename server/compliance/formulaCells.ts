/**
 * What a spreadsheet takes for the start of a formula, full-width forms and line breaks included, and the
 * apostrophe itself: because a cell that starts with one gets one more, taking one away undoes the rule.
 */
export const GUARDED_STARTS = ["'", '=', '+', '-', '@', '\t', '\n', '\r', '＝', '＋', '－', '＠'];

/**
 * Returns SQL that formats a time as it is hashed, signed and exported: ISO 8601 in UTC with
 * milliseconds.
 * @param column an SQL expression, not a value
 */
export const isoTime = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

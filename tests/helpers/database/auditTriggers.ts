const each = (state: string, change: string) => `DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT t.tgname AS name, t.tgrelid::regclass AS "table" FROM pg_trigger t
    WHERE t.tgenabled = '${state}' AND t.tgname ~ '^(audit|evidence)_[a-z]+_(append_only|kept|transaction)$'
  LOOP EXECUTE format('ALTER TABLE %s ${change} TRIGGER %I', one."table", one.name); END LOOP;
END $$`;

/** A statement that switches off the triggers of the audit log, as only an owner of its tables can. */
export const AUDIT_TRIGGERS_OFF = each('A', 'DISABLE');

/** A statement that switches them on again, so that no trace is left. */
export const AUDIT_TRIGGERS_ON = each('D', 'ENABLE ALWAYS');

/** Returns statements that run without the triggers, all in one transaction. */
export const withoutAuditTriggers = (text: string): string =>
  `SET LOCAL session_replication_role = replica; ${AUDIT_TRIGGERS_OFF}; ${text}; ${AUDIT_TRIGGERS_ON}`;
